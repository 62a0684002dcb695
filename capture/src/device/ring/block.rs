//! What comes out of the ring, and what is counted on the way.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use zeroize::Zeroize;

use crate::rate::SampleRate;
use crate::time::Timestamp;

/// Samples of a block at most.
pub const BLOCK_SAMPLES: usize = 256;

/// A stretch of mono sound from one stream.
#[derive(Clone, Copy)]
pub struct SoundBlock {
    /// Which opening of the device it comes from; counts up from 1.
    pub stream: u32,
    /// Samples per second of that stream.
    pub rate: SampleRate,
    /// Samples of the stream before this block, lost ones included.
    pub position: u64,
    /// When the block's last sample was handed over, in the session's time.
    pub time: Timestamp,
    pub(super) len: usize,
    pub(super) samples: [f32; BLOCK_SAMPLES],
}

impl SoundBlock {
    pub(super) const EMPTY: Self = Self {
        stream: 0,
        rate: SampleRate::HZ_16000,
        position: 0,
        time: Timestamp::ZERO,
        len: 0,
        samples: [0.0; BLOCK_SAMPLES],
    };

    /// Mono samples, nominally in [-1, 1], all finite.
    #[must_use]
    pub fn samples(&self) -> &[f32] {
        self.samples.get(..self.len).unwrap_or_default()
    }
}

impl Zeroize for SoundBlock {
    fn zeroize(&mut self) {
        self.samples.zeroize();
    }
}

/// What happened to a microphone's samples since the program's start.
#[derive(Debug, Default)]
pub struct SoundCounters {
    pub(super) received: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) repaired: AtomicU64,
    overruns: AtomicU64,
    pub(super) streams: AtomicU32,
}

impl SoundCounters {
    /// Samples that the device handed over.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Samples that found the ring full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Samples that were not finite and became 0.
    #[must_use]
    pub fn repaired(&self) -> u64 {
        self.repaired.load(Ordering::Relaxed)
    }

    /// Times that the driver lost sound before it handed it over (xruns).
    #[must_use]
    pub fn overruns(&self) -> u64 {
        self.overruns.load(Ordering::Relaxed)
    }

    /// Streams that a ring was lent to so far: the number of the latest one.
    #[must_use]
    pub fn streams(&self) -> u32 {
        self.streams.load(Ordering::Relaxed)
    }

    /// Counts one loss in the driver.
    pub fn overrun(&self) {
        self.overruns.fetch_add(1, Ordering::Relaxed);
    }
}
