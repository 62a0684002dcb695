//! Where utterances wait for the language model, and who decides that one took too long.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mien_models::llama::CancelHandle;

/// How long the language model may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// While another utterance waits behind it.
    pub(crate) waiting: Duration,
    /// In any case.
    pub(crate) longest: Duration,
}

/// One utterance in work, one that waits. Overflow: the one that waits gives way to the new one, and says so.
pub(crate) struct Desk<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
    patience: Patience,
}

struct State<J> {
    waiting: Option<(J, Instant)>,
    working_since: Option<Instant>,
    cancel: Option<CancelHandle>,
    closed: bool,
}

impl<J> Desk<J> {
    pub(crate) fn new(patience: Patience) -> Self {
        let state = State { waiting: None, working_since: None, cancel: None, closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), patience }
    }

    fn locked(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lays down an utterance; gives back the one that had to give way.
    pub(crate) fn put(&self, job: J) -> Option<J> {
        let given_way = self.locked().waiting.replace((job, Instant::now()));
        self.changed.notify_one();
        given_way.map(|(job, _)| job)
    }

    /// The next utterance to work on, waiting at most `limit`. A cancellation of the one before is over.
    pub(crate) fn take(&self, limit: Duration) -> Option<J> {
        let state = self.locked();
        let waited = self.changed.wait_timeout_while(state, limit, |s| s.waiting.is_none() && !s.closed);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let (job, _) = state.waiting.take()?;
        if let Some(cancel) = &state.cancel {
            cancel.reset();
        }
        state.working_since = Some(Instant::now());
        Some(job)
    }

    /// The work on the utterance taken last has ended.
    pub(crate) fn done(&self) {
        self.locked().working_since = None;
    }

    /// Whose work is cancelled from now on.
    pub(crate) fn set_cancel(&self, handle: CancelHandle) {
        self.locked().cancel = Some(handle);
    }

    /// Cancels the work under way if its time is over; to be called several times a second.
    pub(crate) fn look(&self) {
        let state = self.locked();
        let Some(since) = state.working_since else { return };
        let waited = state.waiting.as_ref().is_some_and(|(_, since)| since.elapsed() > self.patience.waiting);
        if (waited || since.elapsed() > self.patience.longest)
            && let Some(cancel) = &state.cancel
        {
            // Under the lock: a work that ended just now cannot be taken for the next one.
            cancel.cancel();
        }
    }

    /// Cancels the work under way and throws away what waits.
    pub(crate) fn clear(&self) -> Option<J> {
        let mut state = self.locked();
        if let (Some(_), Some(cancel)) = (state.working_since, &state.cancel) {
            cancel.cancel();
        }
        state.waiting.take().map(|(job, _)| job)
    }

    /// Entries that wait.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.locked().waiting.is_some())
    }

    /// No more work comes; what waits is still taken.
    pub(crate) fn close(&self) {
        self.locked().closed = true;
        self.changed.notify_all();
    }

    /// Whether no more work comes and none waits.
    pub(crate) fn finished(&self) -> bool {
        let state = self.locked();
        state.closed && state.waiting.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk(waiting: u64, longest: u64) -> Desk<u32> {
        Desk::new(Patience { waiting: Duration::from_millis(waiting), longest: Duration::from_millis(longest) })
    }

    #[test]
    fn the_newest_waits_and_the_older_one_is_given_back() {
        let desk = desk(1_000, 1_000);
        assert_eq!([desk.put(1), desk.put(2)], [None, Some(1)]);
        assert_eq!(desk.take(Duration::ZERO), Some(2));
        assert_eq!(desk.take(Duration::ZERO), None);
        desk.close();
        assert!(desk.finished());
    }
}
