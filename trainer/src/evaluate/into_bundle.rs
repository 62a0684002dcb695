//! Writing measured errors and intervals into a bundle, where a device finds them.

use std::path::Path;

use mien_models::bundle::{MANIFEST_NAME, Manifest, Metric};

use super::report::{Evaluation, write_whole};
use crate::{Result, reading};

/// From -3 to 3.
const SCALE: f64 = 6.0;
/// Longest manifest that is read; a bundle's takes some kilobytes.
const LONGEST_MANIFEST: u64 = 4 << 20;

/// Puts the half widths of 90 % intervals and the mean absolute errors of every mode that a device can be in into the
/// manifest of the bundle at `folder`; other modes keep theirs. The manifest is replaced by renaming. Returns how many
/// modes have an interval now.
///
/// # Errors
/// Io; Model for a manifest that is none.
pub fn write_into_bundle(evaluation: &Evaluation, folder: &Path) -> Result<usize> {
    let path = folder.join(MANIFEST_NAME);
    let text = reading::text(&path, LONGEST_MANIFEST)?;
    let mut manifest = Manifest::parse(&text, &path)?;
    let protocol = evaluation.protocol.line();
    for result in &evaluation.modes {
        let Some(mode) = &result.device_mode else { continue };
        // No score is farther from a label than the scale is wide; a width of 0 says that there was nothing to measure.
        if let Some(half) = result.interval90.map(|half| half.min(SCALE) as f32).filter(|half| *half > 0.0) {
            manifest.interval90.insert(mode.clone(), half);
        }
        // One error for each mode: that of the last evaluation.
        manifest.metrics.retain(|metric| metric.mode != *mode);
        manifest.metrics.push(Metric {
            protocol: protocol.clone(),
            mode: mode.clone(),
            mae: result.metrics.mae,
            clips: result.metrics.clips as u64,
        });
    }
    let count = manifest.interval90.len();
    write_whole(&path, manifest.to_toml(&path)?.as_bytes())?;
    Ok(count)
}
