//! Sound.

use crate::error::{CaptureError, Result};
use crate::rate::SampleRate;
use crate::time::{Span, Timestamp};

/// Peaks below this count as silence: -80 dB of full scale, three steps of a 16-bit converter.
const SILENCE_PEAK: f32 = 1e-4;

/// A stretch of sound: one channel, `f32` samples nominally in [-1, 1], all of them finite.
///
/// Its first sample stands at [`Timestamp::ZERO`].
#[derive(Clone, Debug, PartialEq)]
pub struct AudioClip {
    samples: Vec<f32>,
    rate: SampleRate,
}

impl AudioClip {
    /// A clip of `samples`, shape `[time]`, taken at `rate`. The samples are moved, not copied.
    ///
    /// # Errors
    /// [`CaptureError::NotFinite`] if a sample is infinite or not a number.
    pub fn new(samples: Vec<f32>, rate: SampleRate) -> Result<Self> {
        match samples.iter().position(|sample| !sample.is_finite()) {
            Some(index) => Err(CaptureError::NotFinite { index }),
            None => Ok(Self { samples, rate }),
        }
    }

    /// The samples, shape `[time]`.
    #[must_use]
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// Gives the samples away, shape `[time]`.
    #[must_use]
    pub fn into_samples(self) -> Vec<f32> {
        self.samples
    }

    /// Samples per second.
    #[must_use]
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Length in seconds.
    #[must_use]
    pub fn duration_s(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate.hz())
    }

    /// The time it covers, from [`Timestamp::ZERO`] on.
    #[must_use]
    pub fn span(&self) -> Span {
        Span::until(Timestamp::from_ticks(self.samples.len() as u64, u64::from(self.rate.hz())))
    }

    /// Whether nothing is to be heard: no sample, or none whose magnitude reaches -80 dB of full scale.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.samples.iter().all(|sample| sample.abs() < SILENCE_PEAK)
    }

    /// The samples within `span`, shape `[time]`; what lies outside the clip is left out.
    ///
    /// Both ends go to the nearest sample, so that spans that touch give slices that touch.
    #[must_use]
    pub fn slice(&self, span: Span) -> &[f32] {
        let at = |time: Timestamp| {
            let tick = time.to_ticks(self.rate.hz());
            usize::try_from(tick).map_or(self.samples.len(), |tick| tick.min(self.samples.len()))
        };
        self.samples.get(at(span.start())..at(span.end())).unwrap_or_default()
    }
}
