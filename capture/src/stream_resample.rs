//! Change of the sampling rate of a stream without end.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};
use zeroize::Zeroize;

use crate::error::{CaptureError, Result};
use crate::rate::SampleRate;
use crate::resample::block_len;

/// Brings a stream from one rate to another, with the filter of [`crate::to_rate`].
///
/// Its delay is taken out: output sample *i* stands at *i* / `to` of the stream. The borders of what is pushed do not
/// matter. It works block by block, so the output lags behind the input by at most two blocks (some hundredths of a second).
pub struct StreamResampler {
    /// `None` where both rates are equal.
    filter: Option<Filter>,
}

struct Filter {
    resampler: Fft<f32>,
    from: SampleRate,
    to: SampleRate,
    block: Vec<f32>,
    output: Vec<f32>,
    /// Output samples still to be thrown away: the filter's delay.
    delay: usize,
}

impl StreamResampler {
    /// A resampler at the start of a stream.
    ///
    /// # Errors
    /// [`CaptureError::Resample`] if the pair of rates is refused.
    pub fn new(from: SampleRate, to: SampleRate) -> Result<Self> {
        if from == to {
            return Ok(Self { filter: None });
        }
        let refused = |e: String| CaptureError::Resample { from_hz: from.hz(), to_hz: to.hz(), reason: e };
        let (from_hz, to_hz) = (from.hz() as usize, to.hz() as usize);
        let window = WindowFunction::BlackmanHarris2;
        let resampler = Fft::<f32>::new_custom(from_hz, to_hz, block_len(from, to), 1, 1, window, FixedSync::Both)
            .map_err(|e| refused(e.to_string()))?;
        let delay = resampler.output_delay();
        let output = vec![0.0; resampler.output_frames_max()];
        Ok(Self { filter: Some(Filter { resampler, from, to, block: Vec::new(), output, delay }) })
    }

    /// Takes samples at the first rate and appends what is ready at the second one to `out`.
    ///
    /// # Errors
    /// [`CaptureError::Resample`] if the library fails, which it has no reason to.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<()> {
        let Some(filter) = &mut self.filter else {
            out.extend_from_slice(samples);
            return Ok(());
        };
        let mut rest = samples;
        while !rest.is_empty() {
            let wanted = filter.resampler.input_frames_next();
            let take = wanted.saturating_sub(filter.block.len()).min(rest.len());
            let (now, later) = rest.split_at(take);
            filter.block.extend_from_slice(now);
            rest = later;
            if filter.block.len() < wanted {
                break;
            }
            filter.convert(out)?;
        }
        Ok(())
    }

    /// Zeroes what it holds of the stream, and starts anew.
    pub fn wipe(&mut self) {
        if let Some(filter) = &mut self.filter {
            filter.block.zeroize();
            filter.output.fill(0.0);
            filter.resampler.reset();
            filter.delay = filter.resampler.output_delay();
        }
    }
}

impl Filter {
    /// Converts the full block.
    fn convert(&mut self, out: &mut Vec<f32>) -> Result<()> {
        let (from_hz, to_hz) = (self.from.hz(), self.to.hz());
        let failed = |e: String| CaptureError::Resample { from_hz, to_hz, reason: e };
        let (taken, room) = (self.block.len(), self.output.len());
        let input = InterleavedSlice::new(&self.block, 1, taken).map_err(|e| failed(e.to_string()))?;
        let mut output = InterleavedSlice::new_mut(&mut self.output, 1, room).map_err(|e| failed(e.to_string()))?;
        let (_, made) =
            self.resampler.process_into_buffer(&input, &mut output, None).map_err(|e| failed(e.to_string()))?;
        self.block.clear();
        let late = self.delay.min(made);
        self.delay -= late;
        out.extend_from_slice(self.output.get(late..made).unwrap_or_default());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::AudioClip;
    use crate::resample::to_rate;

    #[test]
    fn a_stream_in_blocks_of_any_size_is_the_clip_at_the_other_rate() {
        for hz in [8_000, 22_050, 44_100, 48_000] {
            let rate = SampleRate::new(hz).unwrap();
            let clip: Vec<f32> = (0..hz as usize * 2)
                .map(|i| {
                    let t = i as f64 / f64::from(hz);
                    (0.4 * (t * 1_300.0).sin() + 0.2 * (t * t * 900.0).cos()) as f32
                })
                .collect();
            let whole = to_rate(AudioClip::new(clip.clone(), rate).unwrap(), SampleRate::HZ_16000).unwrap();
            for block in [1, 100, 441, 4_096] {
                let mut resampler = StreamResampler::new(rate, SampleRate::HZ_16000).unwrap();
                let mut out = Vec::new();
                clip.chunks(block).for_each(|c| resampler.push(c, &mut out).unwrap());
                assert!(out.len() + 4_000 > whole.samples().len(), "{hz}: {} of {}", out.len(), whole.samples().len());
                let off = out.iter().zip(whole.samples()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(off < 1e-5, "{hz} Hz in blocks of {block}: {off}");
            }
        }
    }

    #[test]
    fn equal_rates_pass_through_and_wiping_forgets() {
        let mut same = StreamResampler::new(SampleRate::HZ_16000, SampleRate::HZ_16000).unwrap();
        let mut out = Vec::new();
        same.push(&[0.1, 0.2], &mut out).unwrap();
        assert_eq!(out, [0.1, 0.2]);
        let rate = SampleRate::new(48_000).unwrap();
        let mut other = StreamResampler::new(rate, SampleRate::HZ_16000).unwrap();
        other.push(&vec![0.9; 10_000], &mut out).unwrap();
        other.wipe();
        let mut silent = Vec::new();
        other.push(&vec![0.0; 48_000], &mut silent).unwrap();
        assert!(silent.len() > 10_000 && silent.iter().all(|&s| s == 0.0));
    }
}
