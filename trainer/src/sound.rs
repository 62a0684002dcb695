//! A recording's sound as the device takes it.

use std::path::Path;

use mien_capture::{CaptureError, SampleRate, file, to_rate};
use mien_runtime::RuntimeError;

use crate::{Result, TrainerError};

/// The samples of the recording at `path`, mono at 16 kHz, read and brought to their rate by the device's own code; none for
/// a recording without sound.
///
/// # Errors
/// Runtime for a recording that cannot be read.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<f32>>> {
    let failed = |e: CaptureError| TrainerError::from(RuntimeError::from(e));
    let Some(sound) = file::open(path).map_err(failed)?.audio else { return Ok(None) };
    Ok(Some(to_rate(sound, SampleRate::HZ_16000).map_err(failed)?.into_samples()))
}
