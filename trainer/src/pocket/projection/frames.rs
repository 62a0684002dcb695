//! What the trained WavLM hears, computed once by the device's own network.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use mien_models::tensor::NamedTensors;
use mien_models::wavlm::{Wavlm, WavlmConfig, build_fused};
use rayon::prelude::*;

use super::super::clips::Clip;
use super::super::hearing::varied;
use super::STAGE;
use crate::course::{Tell, Told};
use crate::{Result, TrainerError};

/// Tells these draws from others.
const VARIED: u64 = 112;

/// WavLM as it runs on a device.
pub(super) struct Ear {
    wavlm: Wavlm,
}

impl Ear {
    /// The network of `tensors`, whose graph is written into `scratch`.
    pub(super) fn open(config: &WavlmConfig, tensors: &NamedTensors, scratch: &Path) -> Result<Self> {
        let path = scratch.join("wavlm.onnx");
        // Which inner layer is given as well plays no part: the projector takes the last one.
        build_fused(config, tensors, &[config.layers], &path)?;
        Ok(Self { wavlm: Wavlm::load(&path, config, config.layers)? })
    }

    /// Last states of each clip, [T, hidden] row-major; of variations of them where a seed and a number
    /// of the copy are given.
    pub(super) fn frames(&self, clips: &[&Clip], variation: Option<[u64; 2]>, tell: Tell<'_>) -> Result<Vec<Vec<f32>>> {
        let (total, done) = (clips.len(), AtomicUsize::new(0));
        // One session for each of a few stretches: a session belongs to one thread.
        let stretch = clips.len().div_ceil(2 * rayon::current_num_threads()).max(1);
        let heard = |(number, clips): (usize, &[&Clip])| {
            let mut session = self.wavlm.session()?;
            let mut frames = Vec::with_capacity(clips.len());
            for (place, clip) in clips.iter().enumerate() {
                let samples = clip.samples()?;
                let samples = match variation {
                    None => samples,
                    Some([seed, copy]) => {
                        let place = number * stretch + place;
                        varied(&samples, &[seed, VARIED, copy, place as u64]).samples
                    }
                };
                frames.push(session.run(&samples)?.last.into_data());
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                tell(Told::Prepares { stage: STAGE, what: "clips heard", done, total });
            }
            Ok::<_, TrainerError>(frames)
        };
        let stretches: Vec<Vec<Vec<f32>>> = clips.par_chunks(stretch).enumerate().map(heard).collect::<Result<_>>()?;
        Ok(stretches.concat())
    }
}
