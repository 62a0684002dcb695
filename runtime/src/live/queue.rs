//! A bounded queue between two threads that says what happens when it is full.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use heapless::Deque;

/// What a full queue does with one entry too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest entry is lost: what is new matters more.
    DropOldest,
    /// The new entry is lost: what waits already was promised.
    Refuse,
}

/// A queue of at most `N` entries; every loss is counted.
pub struct Queue<T, const N: usize> {
    overflow: Overflow,
    entries: Mutex<Deque<T, N>>,
    filled: Condvar,
    lost: AtomicU64,
}

impl<T, const N: usize> Queue<T, N> {
    /// An empty queue.
    pub fn new(overflow: Overflow) -> Self {
        Self { overflow, entries: Mutex::new(Deque::new()), filled: Condvar::new(), lost: AtomicU64::new(0) }
    }

    /// Puts an entry at the end; gives back the one that was lost for want of room, if one was. Never waits for room.
    pub fn push(&self, entry: T) -> Option<T> {
        let mut entries = self.locked();
        let mut lost = None;
        if entries.is_full() && self.overflow == Overflow::DropOldest {
            lost = entries.pop_front();
        }
        let refused = entries.push_back(entry).err();
        drop(entries);
        self.filled.notify_one();
        let lost = lost.or(refused);
        if lost.is_some() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        lost
    }

    /// The first entry, if there is one.
    pub fn pop(&self) -> Option<T> {
        self.locked().pop_front()
    }

    /// The first entry; waits for one, at most `limit`.
    pub fn pop_wait(&self, limit: Duration) -> Option<T> {
        let entries = self.locked();
        let (mut entries, _) = self
            .filled
            .wait_timeout_while(entries, limit, |entries| entries.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        entries.pop_front()
    }

    /// Entries now.
    pub fn len(&self) -> usize {
        self.locked().len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entries at most.
    pub const fn capacity(&self) -> usize {
        N
    }

    /// Entries lost so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn locked(&self) -> MutexGuard<'_, Deque<T, N>> {
        // Entries are moved whole, so a panic elsewhere leaves no half-made queue.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_does_what_its_policy_says_and_counts() {
        let newest: Queue<u32, 2> = Queue::new(Overflow::DropOldest);
        assert_eq!([1, 2, 3].map(|n| newest.push(n)), [None, None, Some(1)]);
        assert_eq!((newest.pop(), newest.pop(), newest.pop(), newest.lost()), (Some(2), Some(3), None, 1));
        let promised: Queue<u32, 2> = Queue::new(Overflow::Refuse);
        assert_eq!([1, 2, 3].map(|n| promised.push(n)), [None, None, Some(3)]);
        assert_eq!((promised.pop(), promised.pop(), promised.pop(), promised.lost()), (Some(1), Some(2), None, 1));
    }

    #[test]
    fn waiting_ends_with_an_entry_or_with_time() {
        let queue: Queue<u32, 4> = Queue::new(Overflow::Refuse);
        assert_eq!(queue.pop_wait(Duration::from_millis(10)), None);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.pop_wait(Duration::from_secs(60)));
            queue.push(7);
            assert_eq!(waiting.join().unwrap(), Some(7));
        });
    }
}
