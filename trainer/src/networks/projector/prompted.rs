//! What a language model is shown of a clip: sound, prompt, transcript (spec section 2.4, points 2 and 3).

use burn::tensor::{Int, Tensor, TensorData};

use super::Projector;
use crate::networks::Llama;
use crate::networks::objective::next_token;
use crate::{Result, TrainerError};

/// A batch of heard clips. Order of a sequence: its audio rows, then the prompt, then its transcript.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompted {
    /// Last WavLM states of each clip, after the encoder's norm, row-major [T, encoder width]. Frames that fill no whole
    /// row of the projector are left out.
    pub frames: Vec<Vec<f32>>,
    /// Tokens of the prompt, begin-of-sequence first, the same for all.
    pub prompt: Vec<u32>,
    /// Tokens of each clip's transcript, end-of-text last.
    pub transcripts: Vec<Vec<u32>>,
}

/// The mean over all transcript tokens of -log of the share that `llama` gives them after sound and prompt, as a tensor
/// `[1]` with its slope.
///
/// # Errors
/// [`TrainerError::Input`] for an empty batch, a clip without a whole audio row, an empty prompt or transcript, a number
/// of frames that does not fit, a token that the vocabulary lacks, or a sequence beyond the context.
pub fn prompted(projector: &Projector, llama: &Llama, batch: &Prompted) -> Result<Tensor<1>> {
    let layout = Layout::new(projector, llama, batch)?;
    let device = llama.parameters().device();
    let width = projector.config().input_width();
    let mut frames = Vec::with_capacity(layout.audio.iter().sum::<usize>() * width);
    for (clip, &rows) in batch.frames.iter().zip(&layout.audio) {
        frames.extend_from_slice(clip.get(..rows * width).unwrap_or_default());
    }
    let count = frames.len() / width;
    let audio = projector.rows(projector.parameters().constant(frames, [count, width]))?;
    let mut tokens = batch.prompt.clone();
    batch.transcripts.iter().for_each(|transcript| tokens.extend(transcript));
    let rows = Tensor::cat(vec![audio, llama.embed(&tokens)?], 0);
    let sequences = batch.frames.len();
    let pick = |places: Vec<i64>| -> Tensor<1, Int> {
        let n = places.len();
        Tensor::from_data(TensorData::new(places, [n]), device)
    };
    let states = llama.states(rows.select(0, pick(layout.sources)), sequences)?;
    // Only rows that a transcript's token follows are scored: the rest of the logits nobody asks for.
    let logits = llama.logits(states.last.select(0, pick(layout.scored)))?;
    let targets: Vec<Option<u32>> = batch.transcripts.iter().flatten().map(|&token| Some(token)).collect();
    next_token(logits, &targets)
}

/// Which row stands where.
struct Layout {
    /// Audio rows of each clip.
    audio: Vec<usize>,
    /// For each row of the padded batch, its place among all audio rows, the prompt and all transcripts.
    sources: Vec<i64>,
    /// Rows of the padded batch that a transcript's token follows, in the order of the transcripts.
    scored: Vec<i64>,
}

impl Layout {
    fn new(projector: &Projector, llama: &Llama, batch: &Prompted) -> Result<Self> {
        let config = projector.config();
        let Prompted { frames, prompt, transcripts } = batch;
        if config.llm_width != llama.config().hidden_size {
            let expected = format!("{}, the language model's", llama.config().hidden_size);
            return Err(refused("the width of the projector's rows", &expected, &config.llm_width.to_string()));
        }
        let (one, other) = (projector.parameters(), llama.parameters());
        if one.device() != other.device() || one.dtype() != other.dtype() {
            let found = format!("{:?}, {:?}", other.device(), other.dtype());
            let expected = format!("{:?}, {:?}, the projector's", one.device(), one.dtype());
            return Err(refused("where the language model's numbers are, and what,", &expected, &found));
        }
        if frames.is_empty() || frames.len() != transcripts.len() {
            let found = format!("{} of sound, {} transcripts", frames.len(), transcripts.len());
            return Err(refused("the number of clips", "at least 1 and one transcript for each", &found));
        }
        if prompt.is_empty() {
            return Err(refused("the number of prompt tokens", "at least 1", "0"));
        }
        let mut audio = Vec::with_capacity(frames.len());
        for (clip, (frames, transcript)) in frames.iter().zip(transcripts).enumerate() {
            let rows = frames.len() / config.input_width();
            if rows == 0 || !frames.len().is_multiple_of(config.encoder_width) {
                let expected = format!("whole frames of {} numbers, at least {}", config.encoder_width, config.k);
                return Err(refused(&format!("the sound of clip {clip}"), &expected, &format!("{}", frames.len())));
            }
            if transcript.is_empty() {
                return Err(refused(&format!("the transcript of clip {clip}"), "at least 1 token", "0"));
            }
            audio.push(rows);
        }
        let longest = audio.iter().zip(transcripts).map(|(rows, t)| rows + t.len()).max().unwrap_or(0);
        let (length, all_audio) = (longest + prompt.len(), audio.iter().sum::<usize>());
        let (mut sources, mut scored) = (Vec::with_capacity(length * audio.len()), Vec::new());
        let (mut heard, mut said) = (0, all_audio + prompt.len());
        for (&rows, transcript) in audio.iter().zip(transcripts) {
            let begin = sources.len();
            sources.extend(heard..heard + rows);
            sources.extend(all_audio..all_audio + prompt.len());
            // The row before a token is the one that is asked for it.
            scored.extend((0..transcript.len()).map(|i| sources.len() + i - 1));
            sources.extend(said..said + transcript.len());
            // Padding: any row does, for nothing that counts sees it.
            sources.resize(begin + length, 0);
            heard += rows;
            said += transcript.len();
        }
        let signed = |places: Vec<usize>| places.into_iter().map(|place| place as i64).collect();
        Ok(Self { audio, sources: signed(sources), scored: signed(scored) })
    }
}

fn refused(what: &str, expected: &str, found: &str) -> TrainerError {
    TrainerError::input("heard clips", what, expected, found)
}
