//! What the device's llama writes down of clips that the projector never learned from.

use std::path::PathBuf;

use mien_models::llama::LayerSet;
use mien_models::tensor::Tensor as Plain;

use super::super::clips::ErrorRate;
use super::super::language::{MOST_TOKENS, PROMPT, open};
use super::super::stage::Measures;
use crate::networks::Prompted;
use crate::train::{ProjectorStage, Stage};
use crate::{Result, TrainerError};

/// Clips that are computed together.
const TOGETHER: usize = 16;

/// Clips of the validation split.
pub(super) struct HeldOut {
    pub(super) frames: Vec<Vec<f32>>,
    pub(super) transcripts: Vec<Vec<u32>>,
    pub(super) texts: Vec<String>,
    pub(super) prompt: Vec<u32>,
    /// The llama's file.
    pub(super) llm: PathBuf,
}

impl HeldOut {
    /// Perplexity of the transcripts by token, and word errors of what the device's llama generates.
    pub(super) fn measure(&self, stage: &ProjectorStage) -> Result<Measures> {
        let (mut sum, mut asked) = (0.0, 0usize);
        for (frames, transcripts) in self.frames.chunks(TOGETHER).zip(self.transcripts.chunks(TOGETHER)) {
            let batch =
                Prompted { frames: frames.to_vec(), prompt: self.prompt.clone(), transcripts: transcripts.to_vec() };
            let tokens = transcripts.iter().map(Vec::len).sum::<usize>();
            let value = stage.loss(&batch)?.value.inner().try_into_scalar::<f64>().unwrap_or(f64::NAN);
            (sum, asked) = (sum + value * tokens as f64, asked + tokens);
        }
        let config = stage.projector.config();
        let mut device = open(&self.llm, config.llm_width)?;
        let layers = LayerSet::single(-4, device.layers())?;
        let mut rate = ErrorRate::default();
        for (frames, text) in self.frames.iter().zip(&self.texts) {
            let rows = self.rows(stage, frames)?;
            let written = device.simulate(&rows, PROMPT, &layers, MOST_TOKENS)?;
            rate.add_texts(text, &written.transcript);
        }
        Ok(Measures::from([
            ("perplexity".into(), (sum / asked.max(1) as f64).exp()),
            ("word_errors".into(), rate.rate()),
            ("whole_sentences".into(), rate.whole_share()),
        ]))
    }

    /// The llama's rows of a clip, [floor(T / k), width].
    fn rows(&self, stage: &ProjectorStage, frames: &[f32]) -> Result<Plain> {
        let config = stage.projector.config();
        let width = config.input_width();
        let count = frames.len() / width.max(1);
        let used = frames.get(..count * width).unwrap_or_default().to_vec();
        let parameters = stage.projector.parameters();
        let used = burn::tensor::Tensor::from_data(
            burn::tensor::TensorData::new(used, [count, width]),
            (parameters.device(), parameters.dtype()),
        );
        let rows = stage.projector.rows(used)?.inner().try_into_vec_as::<f32>();
        let failed = |e| TrainerError::Engine { action: "read the projector's rows", reason: format!("{e:?}") };
        Ok(Plain::new([count, config.llm_width], rows.map_err(failed)?)?)
    }
}
