//! An allocator that counts what a guarded thread asks of it.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // Constant and without destructor, so that reaching them allocates nothing.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // A thread that is ending has no such variables any longer, and is not guarded.
    let _ = GUARDED.try_with(|guarded| {
        if guarded.get() {
            let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
        }
    });
}

// SAFETY: every call goes to the system's allocator unchanged, whose contract is that of this trait; counting touches
// thread-local numbers only and cannot come back here.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: as above; the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` allocated, freed or resized memory on this thread.
pub(crate) fn allocations(work: impl FnOnce()) -> u64 {
    CALLS.set(0);
    GUARDED.set(true);
    work();
    GUARDED.set(false);
    CALLS.get()
}

/// How often this thread gave up the processor of its own accord during `work`: every lock that another thread held,
/// every sleep, every wait for a file.
pub(crate) fn waits(work: impl FnOnce()) -> u64 {
    let waited = || -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        line.trim().parse().unwrap()
    };
    let before = waited();
    work();
    waited() - before
}
