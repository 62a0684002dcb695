//! Sampling rates of sound.

use std::fmt;

use crate::error::{CaptureError, Result};

/// Samples per second of a mono signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleRate(u32);

impl SampleRate {
    /// The lowest rate accepted; below it there is no speech left in a signal.
    pub const MIN_HZ: u32 = 1_000;
    /// The highest rate accepted, that of the fastest converters on the market.
    pub const MAX_HZ: u32 = 768_000;
    /// The rate that WavLM and the speech segmenter work at (spec section 2.1).
    pub const HZ_16000: Self = Self(16_000);

    /// A rate of `hz` samples per second.
    ///
    /// # Errors
    /// [`CaptureError::InvalidRate`] outside [`SampleRate::MIN_HZ`] to [`SampleRate::MAX_HZ`].
    pub const fn new(hz: u32) -> Result<Self> {
        if hz < Self::MIN_HZ || hz > Self::MAX_HZ {
            return Err(CaptureError::InvalidRate { hz });
        }
        Ok(Self(hz))
    }

    /// Samples per second.
    #[must_use]
    pub const fn hz(self) -> u32 {
        self.0
    }
}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.0)
    }
}
