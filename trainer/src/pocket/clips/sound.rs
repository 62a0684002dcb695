//! A clip's sound as the device takes it.

use super::Clip;
use crate::{Result, TrainerError, sound};

impl Clip {
    /// The samples, mono at 16 kHz, read and brought to their rate by the device's own code.
    ///
    /// # Errors
    /// Runtime for sound that cannot be read; Pocket for a clip without any.
    pub fn samples(&self) -> Result<Vec<f32>> {
        sound::read(&self.path)?.ok_or_else(|| TrainerError::Pocket {
            path: self.path.clone(),
            reason: "the clip has no sound; run `mien-train pocket corpus` again, which makes anew what differs".into(),
        })
    }
}
