//! The memory of a ring: one writer, one reader, no lock.
//!
//! Every word is atomic, so a stream that hangs in a driver may keep its end for ever without a risk for anybody else, the
//! reader overwrites what it has taken with zeros, and the memory goes when the last of both ends goes.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::rate::SampleRate;
use crate::time::Timestamp;

use super::block::{BLOCK_SAMPLES, SoundBlock};

/// Blocks of the ring; one place stays free.
pub const RING_BLOCKS: usize = 256;

/// One block's place.
struct Slot {
    stream: AtomicU32,
    rate_hz: AtomicU32,
    len: AtomicUsize,
    position: AtomicU64,
    time_ns: AtomicU64,
    /// Bits of the samples.
    samples: [AtomicU32; BLOCK_SAMPLES],
}

impl Slot {
    const fn new() -> Self {
        Self {
            stream: AtomicU32::new(0),
            rate_hz: AtomicU32::new(0),
            len: AtomicUsize::new(0),
            position: AtomicU64::new(0),
            time_ns: AtomicU64::new(0),
            samples: [const { AtomicU32::new(0) }; BLOCK_SAMPLES],
        }
    }

    fn zero(&self) {
        self.samples.iter().for_each(|sample| sample.store(0, Ordering::Relaxed));
    }
}

/// A ring of blocks. [`Self::push`] is for one thread at a time, [`Self::pop`] for one other.
pub(super) struct Slots {
    slots: Box<[Slot]>,
    /// The next place to read; written by the reader alone.
    read: AtomicUsize,
    /// The next place to write; written by the writer alone.
    write: AtomicUsize,
}

impl Slots {
    pub(super) fn new() -> Self {
        let slots = (0..RING_BLOCKS).map(|_| Slot::new()).collect();
        Self { slots, read: AtomicUsize::new(0), write: AtomicUsize::new(0) }
    }

    /// Takes `block`; `false` where there is no room. Neither locks, allocates nor waits.
    pub(super) fn push(&self, block: &SoundBlock) -> bool {
        let at = self.write.load(Ordering::Relaxed);
        let next = (at + 1) % RING_BLOCKS;
        // Acquire: what the reader did with this place is done.
        let full = next == self.read.load(Ordering::Acquire);
        let Some(slot) = self.slots.get(at).filter(|_| !full) else { return false };
        slot.stream.store(block.stream, Ordering::Relaxed);
        slot.rate_hz.store(block.rate.hz(), Ordering::Relaxed);
        slot.position.store(block.position, Ordering::Relaxed);
        slot.time_ns.store(block.time.as_nanos(), Ordering::Relaxed);
        let samples = block.samples();
        slot.len.store(samples.len(), Ordering::Relaxed);
        for (place, sample) in slot.samples.iter().zip(samples) {
            place.store(sample.to_bits(), Ordering::Relaxed);
        }
        // Release: the reader that sees the new place sees what lies in it.
        self.write.store(next, Ordering::Release);
        true
    }

    /// The oldest block; its place holds zeros from then on.
    pub(super) fn pop(&self) -> Option<SoundBlock> {
        let at = self.read.load(Ordering::Relaxed);
        if at == self.write.load(Ordering::Acquire) {
            return None;
        }
        let slot = self.slots.get(at)?;
        let mut block = SoundBlock {
            stream: slot.stream.load(Ordering::Relaxed),
            rate: SampleRate::new(slot.rate_hz.load(Ordering::Relaxed)).unwrap_or(SampleRate::HZ_16000),
            position: slot.position.load(Ordering::Relaxed),
            time: Timestamp::from_nanos(slot.time_ns.load(Ordering::Relaxed)),
            len: slot.len.load(Ordering::Relaxed).min(BLOCK_SAMPLES),
            ..SoundBlock::EMPTY
        };
        for (sample, place) in block.samples.iter_mut().zip(&slot.samples) {
            *sample = f32::from_bits(place.load(Ordering::Relaxed));
        }
        slot.zero();
        self.read.store((at + 1) % RING_BLOCKS, Ordering::Release);
        Some(block)
    }

    /// Whether every sample of it is zero.
    #[cfg(test)]
    pub(super) fn is_zero(&self) -> bool {
        self.slots.iter().all(|slot| slot.samples.iter().all(|s| s.load(Ordering::Relaxed) == 0))
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.slots.iter().for_each(Slot::zero);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_out_in_order_on_two_threads_and_leave_zeros() {
        let ring = Slots::new();
        let count = 20_000;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for position in 0..count {
                    let len = 1 + (position as usize * 7) % BLOCK_SAMPLES;
                    let samples = [position as f32 + 0.5; BLOCK_SAMPLES];
                    let block = SoundBlock { position, len, samples, stream: 3, ..SoundBlock::EMPTY };
                    while !ring.push(&block) {
                        std::hint::spin_loop();
                    }
                }
            });
            for position in 0..count {
                let block = loop {
                    if let Some(block) = ring.pop() {
                        break block;
                    }
                    std::hint::spin_loop();
                };
                assert_eq!((block.position, block.stream), (position, 3));
                assert_eq!(block.samples().len(), 1 + (position as usize * 7) % BLOCK_SAMPLES);
                assert!(block.samples().iter().all(|s| *s == position as f32 + 0.5), "block {position}");
            }
        });
        assert!(ring.pop().is_none() && ring.is_zero());
    }

    #[test]
    fn a_full_ring_keeps_the_oldest() {
        let ring = Slots::new();
        let pushed = (0..1000).filter(|n| ring.push(&SoundBlock { position: *n, len: 1, ..SoundBlock::EMPTY })).count();
        assert_eq!(pushed, RING_BLOCKS - 1);
        assert_eq!(ring.pop().map(|b| b.position), Some(0));
    }
}
