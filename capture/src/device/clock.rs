//! The one clock of a live session.

use std::time::Instant;

use crate::time::Timestamp;

/// Time since a session's start. Monotonic: a change of the wall clock does not touch it.
#[derive(Clone, Copy, Debug)]
pub struct SessionClock(Instant);

impl SessionClock {
    /// A clock that shows zero now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time now. Neither locks nor allocates.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::ZERO.saturating_add(self.0.elapsed())
    }

    /// The moment that `time` names, for waiting until it.
    #[must_use]
    pub fn instant(&self, time: Timestamp) -> Instant {
        self.0 + time.saturating_since(Timestamp::ZERO)
    }
}
