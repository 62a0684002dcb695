//! A clip's sound as the device takes it.

use mien_capture::{CaptureError, SampleRate, file, to_rate};
use mien_runtime::RuntimeError;

use super::Clip;
use crate::{Result, TrainerError};

impl Clip {
    /// The samples, mono at 16 kHz, read and brought to their rate by the device's own code.
    ///
    /// # Errors
    /// Runtime for sound that cannot be read; Pocket for a clip without any.
    pub fn samples(&self) -> Result<Vec<f32>> {
        let failed = |e: CaptureError| TrainerError::from(RuntimeError::from(e));
        let Some(sound) = file::open(&self.path).map_err(failed)?.audio else {
            let reason = "the clip has no sound; run `mien-train pocket corpus` again, which makes anew what differs";
            return Err(TrainerError::Pocket { path: self.path.clone(), reason: reason.into() });
        };
        Ok(to_rate(sound, SampleRate::HZ_16000).map_err(failed)?.into_samples())
    }
}
