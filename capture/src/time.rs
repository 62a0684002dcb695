//! Points and stretches of a source's time.

use std::time::Duration;

use crate::error::{CaptureError, Result};

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// A point in time: nanoseconds since the start of the source.
///
/// Sound and pictures of one recording share this clock. Integers keep it exact: equal times compare equal, and adding
/// up frame periods does not drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The start of the source.
    pub const ZERO: Self = Self(0);
    /// The latest time that can be told, more than 584 years after the start.
    pub const MAX: Self = Self(u64::MAX);

    /// The time `nanos` nanoseconds after the start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The time `seconds` after the start, to the nearest nanosecond.
    ///
    /// # Errors
    /// [`CaptureError::InvalidTime`] if `seconds` is negative, not finite or beyond [`Timestamp::MAX`].
    pub fn from_secs_f64(seconds: f64) -> Result<Self> {
        // 2^64 is exact in f64; values below it that are finite and not negative convert without saturation.
        let nanos = seconds * 1e9;
        if nanos.is_finite() && seconds >= 0.0 && nanos.round() < 18_446_744_073_709_551_616.0 {
            Ok(Self(nanos.round() as u64))
        } else {
            Err(CaptureError::InvalidTime { seconds })
        }
    }

    /// The time of the `ticks`-th tick of a clock with `per_second` ticks a second, to the nearest nanosecond.
    ///
    /// Saturates at [`Timestamp::MAX`]; a clock without ticks (`per_second == 0`) counts as one tick a second.
    pub(crate) fn from_ticks(ticks: u64, per_second: u64) -> Self {
        let rate = u128::from(per_second.max(1));
        let nanos = (u128::from(ticks) * NANOS_PER_SECOND + rate / 2) / rate;
        Self(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The tick of a clock with `per_second` ticks a second that is nearest to this time.
    pub(crate) fn to_ticks(self, per_second: u32) -> u64 {
        let ticks = (u128::from(self.0) * u128::from(per_second) + NANOS_PER_SECOND / 2) / NANOS_PER_SECOND;
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the start.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// This time plus `duration`; none where that cannot be told.
    #[must_use]
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        let nanos = u64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_add(nanos).map(Self)
    }

    /// This time plus `duration`, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or(Self::MAX)
    }

    /// How long after `earlier` this time is; none where it is before.
    #[must_use]
    pub fn checked_since(self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration::from_nanos)
    }

    /// How long after `earlier` this time is; zero where it is before.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        self.checked_since(earlier).unwrap_or(Duration::ZERO)
    }

    /// This time minus `duration`, at least [`Timestamp::ZERO`].
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).map_or(0, |nanos| self.0.saturating_sub(nanos)))
    }
}

/// A stretch of time: `start` belongs to it, `end` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    start: Timestamp,
    end: Timestamp,
}

impl Span {
    /// The stretch from `start` to `end`; both may be equal, which makes it empty.
    ///
    /// # Errors
    /// [`CaptureError::InvalidSpan`] if `end` is before `start`.
    pub fn new(start: Timestamp, end: Timestamp) -> Result<Self> {
        if end < start {
            return Err(CaptureError::InvalidSpan { start_s: start.as_secs_f64(), end_s: end.as_secs_f64() });
        }
        Ok(Self { start, end })
    }

    /// The stretch from the start of the source to `end`.
    #[must_use]
    pub const fn until(end: Timestamp) -> Self {
        Self { start: Timestamp::ZERO, end }
    }

    /// Where it starts.
    #[must_use]
    pub const fn start(&self) -> Timestamp {
        self.start
    }

    /// Where it ends.
    #[must_use]
    pub const fn end(&self) -> Timestamp {
        self.end
    }

    /// Its length in seconds.
    #[must_use]
    pub fn duration_s(&self) -> f64 {
        self.end.saturating_since(self.start).as_secs_f64()
    }

    /// Whether `time` belongs to it: not before the start, before the end.
    #[must_use]
    pub fn contains(&self, time: Timestamp) -> bool {
        self.start <= time && time < self.end
    }

    /// For how many seconds both stretches run.
    #[must_use]
    pub fn overlap_s(&self, other: &Self) -> f64 {
        self.end.min(other.end).saturating_since(self.start.max(other.start)).as_secs_f64()
    }
}
