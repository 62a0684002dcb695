//! Change of sampling rate.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};

use crate::audio::AudioClip;
use crate::error::{CaptureError, Result};
use crate::rate::SampleRate;

/// Length of the low-pass filter, in samples of the lower of both rates: its transition is then narrow enough to keep
/// everything below nine tenths of the lower Nyquist rate; at 16 kHz it spans 32 ms.
const FILTER_SAMPLES: u32 = 512;

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
    let block = block_len(from, rate);
    let (from_hz, to_hz) = (from.hz() as usize, rate.hz() as usize);
    let window = WindowFunction::BlackmanHarris2;
    let mut resampler = Fft::<f32>::new_custom(from_hz, to_hz, block, 1, 1, window, FixedSync::Both)
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

/// Input samples that are transformed at once.
///
/// A block holds a whole number of samples at both rates. It holds an even number at both as well: the filter is as
/// long as the block, and the middle of an odd one lies between two samples, which would shift the sound by half a
/// sample.
pub(crate) fn block_len(from: SampleRate, to: SampleRate) -> usize {
    let divisor = gcd(from.hz(), to.hz());
    let smallest = from.hz().min(to.hz()) / divisor;
    let units = FILTER_SAMPLES.div_ceil(smallest).next_multiple_of(2);
    (units * (from.hz() / divisor)) as usize
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
