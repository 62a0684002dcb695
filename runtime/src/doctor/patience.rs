//! Work that may hang in a driver, on a thread that can be left behind.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use mien_capture::quietly;

/// Steps that may be told before anybody asks; a thread with more to tell waits, which blocks nobody else.
const STEPS: usize = 4;

/// Why there is no next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// The time is up, and the thread is left behind.
    Hung,
    /// The thread ended without a word: a library panicked, or there was no thread to be had.
    Broke,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hung => "the driver does not answer",
            Self::Broke => "the driver's library broke down",
        })
    }
}

/// What a thread tells of its work, step by step.
pub(super) struct Steps<T>(Receiver<T>);

impl<T: Send + 'static> Steps<T> {
    /// Starts `work` on a thread of its own.
    pub(super) fn of(work: impl FnOnce(&SyncSender<T>) + Send + 'static) -> Self {
        let (sender, receiver) = sync_channel(STEPS);
        let run = move || {
            // The panic is told by the missing step.
            let _ = quietly(|| work(&sender));
        };
        // Without a thread the sender is dropped, which reads as broken.
        let _ = std::thread::Builder::new().name("doctor".into()).spawn(run);
        Self(receiver)
    }

    /// The next step, if it comes within `limit`.
    pub(super) fn next(&self, limit: Duration) -> Result<T, Stopped> {
        self.0.recv_timeout(limit).map_err(|e| match e {
            RecvTimeoutError::Timeout => Stopped::Hung,
            RecvTimeoutError::Disconnected => Stopped::Broke,
        })
    }

    /// Whether the thread ends within `limit`, or at least within that time after each further step.
    pub(super) fn ended(&self, limit: Duration) -> bool {
        loop {
            match self.next(limit) {
                Ok(_) => {}
                Err(stopped) => return stopped == Stopped::Broke,
            }
        }
    }
}

/// What `work` gives, if it ends within `limit`.
pub(super) fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Stopped> {
    let steps = Steps::of(|tell: &SyncSender<T>| {
        // Nobody listens any longer where the time was up.
        let _ = tell.send(work());
    });
    steps.next(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_hangs_or_breaks() {
        let long = Duration::from_secs(60);
        assert_eq!(within(long, || 7), Ok(7));
        assert_eq!(within(long, || -> u8 { panic!("a driver's library") }), Err(Stopped::Broke));
        let (hold, held) = sync_channel::<()>(0);
        let hung = within(Duration::from_millis(20), move || held.recv().is_ok());
        assert_eq!(hung, Err(Stopped::Hung));
        drop(hold);
    }
}
