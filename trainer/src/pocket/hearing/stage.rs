//! WavLM's step: the words that are said, and the mood of the voice.

use burn::tensor::{Tensor, TensorData};

use super::STAGE;
use crate::Result;
use crate::networks::objective::{ctc, next_token};
use crate::networks::{Parameters, Recogniser};
use crate::train::{Loss, Stage};

/// Weight of the valence's squared error beside the words' loss, which is of the order of 1 for each word.
const VALENCE_WEIGHT: f64 = 0.3;

/// A clip as this stage takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// 320 T + 80 samples, as `mien_models::wavlm::waveform::prepare` makes them.
    pub waveform: Vec<f32>,
    /// Labels of its words.
    pub words: Vec<u32>,
    /// Label of each frame by a flat start.
    pub guessed: Vec<u32>,
    /// Hidden valence of the voice, where the sound still tells it.
    pub valence: Option<f64>,
}

/// What one step learns from.
#[derive(Clone, Debug, PartialEq)]
pub struct Lesson {
    /// The clips.
    pub clips: Vec<Heard>,
    /// Share of the flat start's loss, 0 to 1; CTC has the rest.
    pub guessed: f64,
}

/// WavLM with scores of words and a valence by frame.
pub struct HearingStage {
    /// What learns. Its last choice is no label but the valence.
    pub recogniser: Recogniser,
}

/// What is made of B clips of at most T frames.
pub(super) struct Scores {
    /// [B T, labels], blank first.
    pub(super) words: Tensor<2>,
    /// [B, 1]: valence of the voice.
    pub(super) valence: Tensor<2>,
    /// Frames of each clip.
    pub(super) frames: Vec<usize>,
}

impl HearingStage {
    pub(super) fn scores(&self, clips: &[Heard]) -> Result<Scores> {
        let waveforms: Vec<&[f32]> = clips.iter().map(|clip| clip.waveform.as_slice()).collect();
        let (scores, frames) = self.recogniser.scores(&waveforms)?;
        let [rows, choices] = scores.dims();
        let words = scores.clone().narrow(1, 0, choices - 1);
        let longest = rows / clips.len().max(1);
        let by_frame: Tensor<2> = scores.narrow(1, choices - 1, 1).reshape([clips.len(), longest]);
        let share = |&frames: &usize| (0..longest).map(move |t| if t < frames { 1.0 / frames as f32 } else { 0.0 });
        let shares: Vec<f32> = frames.iter().flat_map(share).collect();
        let shares = self.constant(shares, [clips.len(), longest]);
        Ok(Scores { words, valence: (by_frame * shares).sum_dim(1), frames })
    }

    fn constant(&self, values: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
        let parameters = self.recogniser.parameters();
        Tensor::from_data(TensorData::new(values, shape), (parameters.device(), parameters.dtype()))
    }
}

impl Stage for HearingStage {
    type Batch = Lesson;

    fn name(&self) -> &'static str {
        STAGE
    }

    fn parameters(&self) -> &Parameters {
        self.recogniser.parameters()
    }

    fn replace(&mut self, parameters: Parameters) {
        self.recogniser = self.recogniser.clone().with_parameters(parameters);
    }

    fn loss(&self, batch: &Self::Batch) -> Result<Loss> {
        let Lesson { clips, guessed } = batch;
        let Scores { words, valence, frames } = self.scores(clips)?;
        let felt =
            self.constant(clips.iter().map(|clip| clip.valence.unwrap_or(0.0) as f32).collect(), [clips.len(), 1]);
        let told = clips.iter().filter(|clip| clip.valence.is_some()).count().max(1) as f32;
        let share = |clip: &Heard| if clip.valence.is_some() { 1.0 / told } else { 0.0 };
        let shares = self.constant(clips.iter().map(share).collect(), [clips.len(), 1]);
        let mut loss = ((valence - felt).square() * shares).sum().mul_scalar(VALENCE_WEIGHT);
        if *guessed > 0.0 {
            let longest = words.dims()[0] / clips.len().max(1);
            let labels = |clip: &Heard| (0..longest).map(|t| clip.guessed.get(t).copied()).collect::<Vec<_>>();
            let labels: Vec<Option<u32>> = clips.iter().flat_map(labels).collect();
            loss = loss + next_token(words.clone(), &labels)?.mul_scalar(*guessed);
        }
        if *guessed < 1.0 {
            let targets: Vec<Vec<u32>> = clips.iter().map(|clip| clip.words.clone()).collect();
            loss = loss + ctc(words, &frames, &targets)?.mul_scalar(1.0 - guessed);
        }
        Ok(Loss::from(loss))
    }
}
