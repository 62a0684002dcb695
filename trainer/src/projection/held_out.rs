//! What a language model writes down, as a device runs it, of clips that the projector never learned from.

use burn::tensor::TensorData;
use mien_models::llama::{LayerSet, Llama as OnDevice};
use mien_models::tensor::Tensor as Plain;
use mien_runtime::word_errors::ErrorRate;

use crate::course::Measures;
use crate::networks::Prompted;
use crate::train::{ProjectorStage, Stage};
use crate::{Result, TrainerError};

/// Clips of the validation split.
pub(crate) struct HeldOut {
    /// Last WavLM states of each, row-major [T, encoder width].
    pub(crate) frames: Vec<Vec<f32>>,
    /// Tokens of the transcripts, end-of-text last.
    pub(crate) transcripts: Vec<Vec<u32>>,
    /// The transcripts.
    pub(crate) texts: Vec<String>,
    /// Tokens of the prompt, begin-of-text first.
    pub(crate) prompt: Vec<u32>,
    /// Clips whose loss is computed together, at least 1.
    pub(crate) together: usize,
    /// The language model.
    pub(crate) llm: OnDevice,
    /// Tokens that it generates at most.
    pub(crate) most_tokens: usize,
}

impl HeldOut {
    /// Perplexity of the transcripts by token, word errors of what the language model generates, and the share of sentences
    /// without one.
    pub(crate) fn measure(&mut self, stage: &ProjectorStage) -> Result<Measures> {
        let (mut sum, mut asked) = (0.0, 0usize);
        for (frames, transcripts) in self.frames.chunks(self.together).zip(self.transcripts.chunks(self.together)) {
            let batch =
                Prompted { frames: frames.to_vec(), prompt: self.prompt.clone(), transcripts: transcripts.to_vec() };
            let tokens = transcripts.iter().map(Vec::len).sum::<usize>();
            let value = stage.loss(&batch)?.value.inner().try_into_scalar::<f64>().unwrap_or(f64::NAN);
            (sum, asked) = (sum + value * tokens as f64, asked + tokens);
        }
        let prompt: Vec<i32> = self.prompt.iter().map(|token| token.cast_signed()).collect();
        // Which states are given back plays no part: the transcript is asked for.
        let layers = LayerSet::single(-1, self.llm.layers())?;
        let mut rate = ErrorRate::default();
        for (frames, text) in self.frames.iter().zip(&self.texts) {
            let rows = rows(stage, frames)?;
            let room = self.llm.settings().n_ctx.saturating_sub(rows.rows() + prompt.len());
            let written = self.llm.simulate_with_tokens(&rows, &prompt, &layers, self.most_tokens.min(room))?;
            rate.add_texts(text, &written.transcript);
        }
        Ok(Measures::from([
            ("perplexity".into(), (sum / asked.max(1) as f64).exp()),
            ("word_errors".into(), rate.rate()),
            ("whole_sentences".into(), rate.whole_share()),
        ]))
    }
}

/// The language model's rows of a clip, [floor(T / k), width].
fn rows(stage: &ProjectorStage, frames: &[f32]) -> Result<Plain> {
    let config = stage.projector.config();
    let width = config.input_width();
    let count = frames.len() / width.max(1);
    let used = frames.get(..count * width).unwrap_or_default().to_vec();
    let parameters = stage.projector.parameters();
    let used = TensorData::new(used, [count, width]);
    let used = burn::tensor::Tensor::from_data(used, (parameters.device(), parameters.dtype()));
    let rows = stage.projector.rows(used)?.inner().try_into_vec_as::<f32>();
    let failed = |e| TrainerError::Engine { action: "read the projector's rows", reason: format!("{e:?}") };
    Ok(Plain::new([count, config.llm_width], rows.map_err(failed)?)?)
}
