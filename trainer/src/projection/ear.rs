//! What WavLM hears of a step's clips: computed for each step, for the frames of all clips fit in no memory.

use burn::tensor::{DType, Device};
use mien_models::tensor::NamedTensors;
use mien_models::wavlm::{WavlmConfig, waveform};
use rayon::prelude::*;

use super::spoken::Clip;
use crate::networks::{Mode, Wavlm};
use crate::{Result, TrainerError};

/// WavLM as it is, where the training computes.
pub(super) struct Ear {
    wavlm: Wavlm,
}

impl Ear {
    /// The network of `tensors` on `device`, which need not keep gradients.
    ///
    /// # Errors
    /// Model for tensors that are missing, misshapen or not finite.
    pub(super) fn new(config: &WavlmConfig, tensors: &NamedTensors, device: &Device, dtype: DType) -> Result<Self> {
        Ok(Self { wavlm: Wavlm::new(config, tensors, Mode::Frozen, device, dtype)? })
    }

    /// Last states of each clip after the encoder's norm, [T, hidden] row-major.
    ///
    /// # Errors
    /// Runtime for a recording that cannot be read any more.
    pub(super) fn frames(&self, clips: &[&Clip]) -> Result<Vec<Vec<f32>>> {
        let prepared = |clip: &&Clip| Ok(waveform::prepare(&clip.samples()?)?);
        let waveforms: Vec<Vec<f32>> = clips.par_iter().map(prepared).collect::<Result<_>>()?;
        let states = self.wavlm.states(&waveforms)?;
        let width = self.wavlm.config().hidden;
        let numbers = states.last.try_into_vec_as::<f32>();
        let failed = |e| TrainerError::Engine { action: "read WavLM's states", reason: format!("{e:?}") };
        let numbers = numbers.map_err(failed)?;
        // Each clip is padded to the longest.
        let padded = (numbers.len() / clips.len().max(1)).max(1);
        let own = |(rows, frames): (&[f32], &usize)| rows.get(..frames * width).unwrap_or_default().to_vec();
        Ok(numbers.chunks(padded).zip(&states.frames).map(own).collect())
    }
}
