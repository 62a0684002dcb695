//! An allocator that counts.

// The only unsafe code of this crate: an allocator cannot be written without it.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that may be live at once; beyond them an allocation fails, which ends the process. It keeps the machine usable
/// while a reader is caught that asks for all of it.
const MOST: usize = 2 << 30;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted: bytes that are live, the most that ever were, and the number of calls.
pub struct Counted;

// SAFETY: every call goes to the system's allocator with the arguments as they came, so its guarantees are ours; the counters
// are atomic and never lead to a pointer. Null, which tells a failure, is given where too much is live.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise on `layout` is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise on `layout` is handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from `System` with this layout, as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !take(size) {
            return std::ptr::null_mut();
        }
        // SAFETY: the pointer came from `System` with this layout, as the caller promises.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        // Counted as if both lay there at once, which they may.
        LIVE.fetch_sub(if moved.is_null() { size } else { layout.size() }, Ordering::Relaxed);
        moved
    }
}

/// Counts `size` more bytes; false where that is too many.
fn take(size: usize) -> bool {
    let live = LIVE.fetch_add(size, Ordering::Relaxed).saturating_add(size);
    if live > MOST {
        LIVE.fetch_sub(size, Ordering::Relaxed);
        return false;
    }
    PEAK.fetch_max(live, Ordering::Relaxed);
    CALLS.fetch_add(1, Ordering::Relaxed);
    true
}

/// What was allocated since some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The most bytes that were live at once, beyond those that were live at that moment.
    pub peak: usize,
    /// Bytes that are still live.
    pub kept: usize,
    /// Number of allocations.
    pub calls: usize,
}

/// A moment from which is counted. One at a time: a later one starts the peak anew.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    live: usize,
    calls: usize,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        let live = LIVE.load(Ordering::Relaxed);
        PEAK.store(live, Ordering::Relaxed);
        Self { live, calls: CALLS.load(Ordering::Relaxed) }
    }

    /// What was allocated since; nothing in a program whose allocator is another one than [`Counted`].
    #[must_use]
    pub fn taken(self) -> Taken {
        Taken {
            peak: PEAK.load(Ordering::Relaxed).saturating_sub(self.live),
            kept: LIVE.load(Ordering::Relaxed).saturating_sub(self.live),
            calls: CALLS.load(Ordering::Relaxed).wrapping_sub(self.calls),
        }
    }
}
