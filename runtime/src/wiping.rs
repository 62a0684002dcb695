//! Nothing heard or seen stays in memory that was given back.
//!
//! A growing vector leaves its old memory behind with everything in it, libraries drop buffers that they filled with samples or
//! pixels, and an allocator hands none of that to anybody for hours. Zeroing one buffer after the other by hand misses the next
//! one; so, while a live session runs, the program's allocator zeroes whatever is given back, before it is. What is still held
//! when a session is muted is dropped or zeroed by its owner.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroize;

/// Bytes of a stack that [`wipe_stack`] overwrites: more than any stage's own code uses.
const STACK: usize = 48 * 1024;

/// Whether memory that is given back is zeroed.
static WIPING: AtomicBool = AtomicBool::new(false);

/// From now on the allocator zeroes what is given back, if [`WipingAllocator`] is the program's.
pub fn wipe_on_free() {
    WIPING.store(true, Ordering::Relaxed);
}

/// Overwrites the part of this thread's stack that deeper calls have used.
#[inline(never)]
pub fn wipe_stack() {
    let mut used = [0u8; STACK];
    used.zeroize();
    black_box(&mut used);
}

/// The system's allocator; zeroes memory before it is given back, once [`wipe_on_free`] was called.
pub struct WipingAllocator;

impl WipingAllocator {
    /// Zeroes a block in such a way that the compiler does not leave it out for being freed next.
    ///
    /// # Safety
    /// The `size` bytes at `block` are this caller's, and nobody reads them any longer.
    unsafe fn wipe(block: *mut u8, size: usize) {
        // SAFETY: the caller's promise.
        unsafe { block.write_bytes(0, size) };
        // Whatever the compiler cannot see through may read the zeros.
        black_box(block);
    }
}

// SAFETY: every call goes to the system's allocator with the arguments that came, except that growing and shrinking is done
// by a new block, a copy of what both hold, and giving back the old block: what the trait's own default does.
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the system allocator's demand.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if WIPING.load(Ordering::Relaxed) {
            // SAFETY: the caller gives the block back, so its `layout.size()` bytes are nobody else's.
            unsafe { Self::wipe(block, layout.size()) };
        }
        // SAFETY: as for `alloc`.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !WIPING.load(Ordering::Relaxed) {
            // SAFETY: as for `alloc`.
            return unsafe { System.realloc(block, layout, size) };
        }
        // SAFETY: the caller promises that `size`, rounded up to the alignment, overflows nothing; the alignment is that of a
        // layout. Both blocks are valid for the smaller of both sizes and different.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                std::ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_their_content_until_they_are_wiped() {
        wipe_on_free();
        let layout = Layout::from_size_align(64, 16).unwrap();
        // SAFETY: one block, of sizes that fit its layout, given back once.
        unsafe {
            let block = WipingAllocator.alloc(layout);
            block.write_bytes(7, 64);
            let block = WipingAllocator.realloc(block, layout, 4_096);
            assert_eq!(std::slice::from_raw_parts(block, 64), [7; 64]);
            let layout = Layout::from_size_align(4_096, 16).unwrap();
            let block = WipingAllocator.realloc(block, layout, 32);
            assert_eq!(std::slice::from_raw_parts(block, 32), [7; 32]);
            WipingAllocator::wipe(block, 32);
            assert_eq!(std::slice::from_raw_parts(block, 32), [0; 32]);
            WipingAllocator.dealloc(block, Layout::from_size_align(32, 16).unwrap());
        }
    }
}
