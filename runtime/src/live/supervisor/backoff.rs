//! How long to wait before a device is tried again.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait for a device that is missing: its return shows, and ends the wait.
const LONGEST_MISSING: Duration = Duration::from_secs(8);
/// The longest wait for a device that is there and cannot be had. Nothing tells when it can, so the next attempt must find it:
/// with the jitter and the time to open, it is back within five seconds.
const LONGEST_PRESENT: Duration = Duration::from_millis(3500);
/// How far a wait may be off, either way: devices that failed together are not tried together for ever.
const JITTER: f64 = 0.2;

/// What is known of a device that cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absence {
    /// It is not there; when it comes, its node shows it.
    Missing,
    /// It is there, in use or broken, or it is somewhere where nothing shows: a sound server.
    Present,
}

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
    pub(super) fn next(&mut self, absence: Absence) -> Duration {
        let longest = match absence {
            Absence::Missing => LONGEST_MISSING,
            Absence::Present => LONGEST_PRESENT,
        };
        let wait = FIRST.saturating_mul(1 << self.doublings.min(5)).min(longest);
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
    fn waits_double_with_jitter_to_what_the_absence_allows_and_begin_anew() {
        for (absence, expected) in [
            (Absence::Missing, [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]),
            (Absence::Present, [0.25, 0.5, 1.0, 2.0, 3.5, 3.5, 3.5, 3.5]),
        ] {
            let mut backoff = Backoff::new(fastrand::Rng::with_seed(1));
            for expected in expected {
                let wait = backoff.next(absence).as_secs_f64();
                assert!((wait / expected - 1.0).abs() <= 0.2001, "{wait} instead of {expected}");
            }
            let longest = expected[7];
            let late: Vec<f64> = (0..100).map(|_| backoff.next(absence).as_secs_f64()).collect();
            assert!(late.iter().any(|w| *w < 0.9 * longest) && late.iter().any(|w| *w > 1.1 * longest));
            backoff.reset();
            assert!(backoff.next(absence) < Duration::from_millis(301));
        }
    }

    #[test]
    fn a_device_that_is_there_is_tried_within_five_seconds_whatever_went_before() {
        let mut backoff = Backoff::new(fastrand::Rng::with_seed(2));
        for _ in 0..10 {
            backoff.next(Absence::Missing);
        }
        assert!((0..1000).all(|_| backoff.next(Absence::Present) < Duration::from_millis(4500)));
    }
}
