//! The way of samples out of the audio callback: a ring that neither locks nor allocates.
//!
//! Capacity: [`RING_BLOCKS`] - 1 blocks of at most [`BLOCK_SAMPLES`] samples (1.3 s at 48 kHz, 4 s at 16 kHz). Overflow: the
//! newest block is dropped and its samples are counted; the reader sees the gap in the next block's position. The ring is
//! made once for the life of the program and lent to one stream after the other, so that reopening a device for months
//! costs no memory.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use heapless::spsc::{Consumer, Producer, Queue};
use zeroize::Zeroize;

use crate::rate::SampleRate;
use crate::time::Timestamp;

use super::clock::SessionClock;

/// Samples of a block at most.
pub const BLOCK_SAMPLES: usize = 256;
/// Blocks of the ring; one place stays free.
pub const RING_BLOCKS: usize = 256;

type Ring = Queue<SoundBlock, RING_BLOCKS>;

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
    len: usize,
    samples: [f32; BLOCK_SAMPLES],
}

impl SoundBlock {
    const EMPTY: Self = Self {
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
    received: AtomicU64,
    dropped: AtomicU64,
    repaired: AtomicU64,
    overruns: AtomicU64,
    streams: AtomicU32,
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

    /// Streams that the ring was lent to so far: the number of the latest one.
    #[must_use]
    pub fn streams(&self) -> u32 {
        self.streams.load(Ordering::Relaxed)
    }

    /// Counts one loss in the driver.
    pub fn overrun(&self) {
        self.overruns.fetch_add(1, Ordering::Relaxed);
    }
}

/// Makes the ring of one microphone.
#[must_use]
pub fn sound_ring(clock: SessionClock) -> (SoundLender, SoundReader) {
    // Lives as long as the program: the callback must own its end, and streams come and go.
    let ring: &'static mut Ring = Box::leak(Box::new(Ring::new()));
    let (producer, consumer) = ring.split();
    let counters = Arc::new(SoundCounters::default());
    let lender = SoundLender { home: Arc::new(Mutex::new(Some(producer))), counters: Arc::clone(&counters), clock };
    (lender.clone(), SoundReader { consumer, lender })
}

/// Lends the ring's writing end to one stream at a time.
#[derive(Clone)]
pub struct SoundLender {
    home: Arc<Mutex<Option<Producer<'static, SoundBlock>>>>,
    counters: Arc<SoundCounters>,
    clock: SessionClock,
}

impl SoundLender {
    /// The writing end for a new stream; `None` while another stream still holds it.
    #[must_use]
    pub fn lend(&self) -> Option<SoundSink> {
        let producer = self.home.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let stream = self.counters.streams.fetch_add(1, Ordering::Relaxed) + 1;
        Some(SoundSink {
            producer: Some(producer),
            lender: self.clone(),
            channels: 1,
            block: SoundBlock { stream, ..SoundBlock::EMPTY },
        })
    }

    /// The counters of this ring.
    #[must_use]
    pub fn counters(&self) -> &Arc<SoundCounters> {
        &self.counters
    }
}

/// The writing end, owned by a stream's callback. Goes back to its lender when dropped.
pub struct SoundSink {
    producer: Option<Producer<'static, SoundBlock>>,
    lender: SoundLender,
    channels: usize,
    block: SoundBlock,
}

impl SoundSink {
    /// Tells what the stream delivers; before its first sample.
    pub fn set_format(&mut self, rate: SampleRate, channels: u16) {
        self.block.rate = rate;
        self.channels = usize::from(channels.max(1));
    }

    /// The counters of the ring.
    #[must_use]
    pub fn counters(&self) -> &Arc<SoundCounters> {
        &self.lender.counters
    }

    /// Takes interleaved samples; channels are averaged to one. This is the audio callback: it neither locks, allocates,
    /// logs nor waits.
    pub fn push<T: Copy>(&mut self, interleaved: &[T], to_f32: impl Fn(T) -> f32) {
        let counters = &self.lender.counters;
        let scale = 1.0 / self.channels as f32;
        let mut repaired = 0;
        let frames = interleaved.chunks_exact(self.channels);
        counters.received.fetch_add(frames.len() as u64, Ordering::Relaxed);
        for frame in frames {
            let mut sample = frame.iter().map(|&s| to_f32(s)).sum::<f32>() * scale;
            if !sample.is_finite() {
                sample = 0.0;
                repaired += 1;
            }
            if let Some(place) = self.block.samples.get_mut(self.block.len) {
                *place = sample;
                self.block.len += 1;
            }
            if self.block.len == BLOCK_SAMPLES {
                self.flush();
            }
        }
        if repaired > 0 {
            self.lender.counters.repaired.fetch_add(repaired, Ordering::Relaxed);
        }
        // Small driver buffers must not fill the ring with nearly empty blocks.
        if self.block.len >= BLOCK_SAMPLES / 2 {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.block.time = self.lender.clock.now();
        let full = self.producer.as_mut().is_none_or(|p| p.enqueue(self.block).is_err());
        if full {
            self.lender.counters.dropped.fetch_add(self.block.len as u64, Ordering::Relaxed);
        }
        self.block.position += self.block.len as u64;
        self.block.len = 0;
    }
}

impl Drop for SoundSink {
    fn drop(&mut self) {
        self.block.zeroize();
        *self.lender.home.lock().unwrap_or_else(PoisonError::into_inner) = self.producer.take();
    }
}

/// The reading end.
pub struct SoundReader {
    consumer: Consumer<'static, SoundBlock>,
    lender: SoundLender,
}

impl SoundReader {
    /// The next block, if there is one. Never waits.
    pub fn take(&mut self) -> Option<SoundBlock> {
        self.consumer.dequeue()
    }

    /// The counters of this ring.
    #[must_use]
    pub fn counters(&self) -> &Arc<SoundCounters> {
        &self.lender.counters
    }

    /// Overwrites every sample that the ring holds or held with zeros. `false`, and nothing is done, while a stream holds
    /// the writing end.
    pub fn wipe(&mut self) -> bool {
        let mut home = self.lender.home.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(producer) = home.as_mut() else { return false };
        while self.consumer.dequeue().is_some() {}
        // One place is always free, so every place is written once after as many blocks as the ring has places.
        for _ in 0..RING_BLOCKS {
            let _ = producer.enqueue(SoundBlock::EMPTY);
            self.consumer.dequeue();
        }
        true
    }
}
