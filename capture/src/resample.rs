//! Change of sampling rate.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};

use crate::audio::AudioClip;
use crate::error::{CaptureError, Result};
use crate::rate::SampleRate;

/// Frames per processing block. Blocks of 1024 are cut in four by the resampler: short enough to keep the ringing
/// around onsets within a few milliseconds, long enough for a pass band up to nine tenths of the lower Nyquist rate.
const BLOCK_FRAMES: usize = 1024;

/// Brings `clip` to `rate`.
///
/// A clip that has the rate already is moved through. Otherwise it goes through a band-limited FFT resampler whose
/// delay is taken out: sample *i* of the result stands at *i* / `rate`, and the result has exactly
/// round(n · out / in) samples. The same input gives the same samples on every call.
///
/// # Errors
/// [`CaptureError::Resample`] if the resampler refuses the pair of rates; [`CaptureError::NotFinite`] if samples far
/// outside [-1, 1] overflow on the way.
pub fn to_rate(clip: AudioClip, rate: SampleRate) -> Result<AudioClip> {
    let from = clip.rate();
    if from == rate {
        return Ok(clip);
    }
    let samples = clip.samples();
    let refused = |reason: String| CaptureError::Resample { from_hz: from.hz(), to_hz: rate.hz(), reason };
    let wanted = resampled_len(samples.len(), from, rate);
    if wanted == 0 {
        return AudioClip::new(Vec::new(), rate);
    }
    let mut resampler = Fft::<f32>::new(from.hz() as usize, rate.hz() as usize, BLOCK_FRAMES, 1, FixedSync::Input)
        .map_err(|e| refused(e.to_string()))?;
    let input = InterleavedSlice::new(samples, 1, samples.len()).map_err(|e| refused(e.to_string()))?;
    let mut output =
        resampler.process_all(&input, samples.len(), None).map_err(|e| refused(e.to_string()))?.take_data();
    // The library rounds the length up, and computes it in floating point.
    output.resize(wanted, 0.0);
    AudioClip::new(output, rate)
}

/// round(`len` · `to` / `from`), in integers.
fn resampled_len(len: usize, from: SampleRate, to: SampleRate) -> usize {
    let from = u128::from(from.hz());
    let scaled = (len as u128 * u128::from(to.hz()) + from / 2) / from;
    usize::try_from(scaled).unwrap_or(usize::MAX)
}
