//! How long to wait before a device is tried again.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(8);
/// How far a wait may be off, either way: devices that failed together are not tried together for ever.
const JITTER: f64 = 0.2;

/// Waits that double, for ever.
#[derive(Debug)]
pub(super) struct Backoff {
    doublings: u32,
    random: fastrand::Rng,
}

impl Backoff {
    pub(super) fn new(random: fastrand::Rng) -> Self {
        Self { doublings: 0, random }
    }

    /// The next wait.
    pub(super) fn next(&mut self) -> Duration {
        let wait = FIRST.saturating_mul(1 << self.doublings.min(5)).min(LONGEST);
        self.doublings = (self.doublings + 1).min(5);
        wait.mul_f64(1.0 + JITTER * (2.0 * self.random.f64() - 1.0))
    }

    /// The device worked, or something changed: begin anew.
    pub(super) fn reset(&mut self) {
        self.doublings = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_eight_seconds_with_jitter_and_begin_anew() {
        let mut backoff = Backoff::new(fastrand::Rng::with_seed(1));
        for expected in [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0] {
            let wait = backoff.next().as_secs_f64();
            assert!((wait / expected - 1.0).abs() <= 0.2001, "{wait} instead of {expected}");
        }
        let late: Vec<Duration> = (0..100).map(|_| backoff.next()).collect();
        assert!(late.iter().any(|w| w.as_secs_f64() < 7.0) && late.iter().any(|w| w.as_secs_f64() > 9.0));
        backoff.reset();
        assert!(backoff.next() < Duration::from_millis(301));
    }
}
