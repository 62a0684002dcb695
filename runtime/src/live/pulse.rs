//! Heartbeats of the stages: who still turns.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mien_capture::SessionClock;

/// Stages at most.
const STAGES: usize = 16;
/// The time of a stage that has ended: it is expected to be still.
const ENDED: u64 = u64::MAX;
/// The time of a stage that cannot do its work, however lively it is.
const FAILED: u64 = u64::MAX - 1;

/// A stage's name, and when it turned last, in nanoseconds of the session.
type Stage = (&'static str, Arc<AtomicU64>);

/// All stages' heartbeats.
#[derive(Clone)]
pub struct Pulses {
    clock: SessionClock,
    stages: Arc<Mutex<heapless::Vec<Stage, STAGES>>>,
}

/// One stage's heartbeat.
#[derive(Clone)]
pub struct Pulse {
    clock: SessionClock,
    last: Arc<AtomicU64>,
}

impl Pulses {
    /// No stages yet.
    pub fn new(clock: SessionClock) -> Self {
        Self { clock, stages: Arc::default() }
    }

    /// Adds a stage, which beats now.
    pub fn stage(&self, name: &'static str) -> Pulse {
        let pulse = Pulse { clock: self.clock, last: Arc::default() };
        pulse.beat();
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        if stages.push((name, Arc::clone(&pulse.last))).is_err() {
            log::error!("more than {STAGES} stages: {name} is not watched");
        }
        pulse
    }

    /// The stages that have not beaten for longer than `limit`, and those that say that they cannot do their work.
    pub fn stuck(&self, limit: Duration) -> Vec<&'static str> {
        let now = self.clock.now().as_nanos();
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let late = |last: u64| last == FAILED || last != ENDED && now.saturating_sub(last) > limit;
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.iter().filter(|(_, last)| late(last.load(Ordering::Relaxed))).map(|(name, _)| *name).collect()
    }
}

impl Pulse {
    /// The stage turns.
    pub fn beat(&self) {
        self.last.store(self.clock.now().as_nanos(), Ordering::Relaxed);
    }

    /// The stage cannot do its work until it beats again.
    pub fn fail(&self) {
        self.last.store(FAILED, Ordering::Relaxed);
    }

    /// The stage has ended as it should.
    pub fn end(&self) {
        self.last.store(ENDED, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stage_that_stands_still_is_stuck() {
        let pulses = Pulses::new(SessionClock::start());
        let [beating, still, ended] = ["beating", "still", "ended"].map(|name| pulses.stage(name));
        ended.end();
        std::thread::sleep(Duration::from_millis(30));
        beating.beat();
        assert_eq!(pulses.stuck(Duration::from_millis(20)), ["still"]);
        still.beat();
        assert!(pulses.stuck(Duration::from_secs(60)).is_empty());
        beating.fail();
        assert_eq!(pulses.stuck(Duration::from_secs(60)), ["beating"]);
        beating.beat();
        assert!(pulses.stuck(Duration::from_secs(60)).is_empty());
    }
}
