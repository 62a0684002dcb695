//! The way of samples out of the audio callback: a ring that neither locks nor allocates.
//!
//! Capacity: [`RING_BLOCKS`] - 1 blocks of at most [`BLOCK_SAMPLES`] samples (1.3 s at 48 kHz, 4 s at 16 kHz). Overflow: the
//! newest block is dropped and its samples are counted; the reader sees the gap in the next block's position. One ring is
//! lent to one stream after the other, so that reopening a device for months costs no memory. A stream that hangs in a
//! driver is [abandoned](SoundLender::abandon) with its ring: the next stream gets a new one, to which the reader follows,
//! and what the abandoned one still delivers is never heard. Its memory comes back when the driver lets go of it.

mod block;
mod slots;

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heapless::Vec as Fixed;
use zeroize::Zeroize;

use crate::error::{CaptureError, Result};
use crate::rate::SampleRate;

use super::clock::SessionClock;
use super::info::DeviceKind;

pub use block::{BLOCK_SAMPLES, SoundBlock, SoundCounters};
pub use slots::RING_BLOCKS;
use slots::Slots;

/// Channels that can be chosen among: more than any microphone array has.
pub const MOST_CHANNELS: usize = 64;

/// Makes the ring of one microphone.
#[must_use]
pub fn sound_ring(clock: SessionClock) -> (SoundLender, SoundReader) {
    let slots = Arc::new(Slots::new());
    let shared = Shared {
        home: Mutex::new(Home { slots: Arc::clone(&slots), lent: false }),
        ring: AtomicU32::new(0),
        unreached: AtomicUsize::new(0),
    };
    let lender = SoundLender { shared: Arc::new(shared), counters: Arc::default(), clock };
    (lender.clone(), SoundReader { slots, ring: 0, lender })
}

/// The ring in use.
struct Home {
    slots: Arc<Slots>,
    /// Whether a stream has its writing end.
    lent: bool,
}

struct Shared {
    home: Mutex<Home>,
    /// The number of the ring in use: how many were abandoned before it.
    ring: AtomicU32,
    /// Abandoned streams that still hang.
    unreached: AtomicUsize,
}

impl Shared {
    fn home(&self) -> MutexGuard<'_, Home> {
        self.home.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lends the ring's writing end to one stream at a time.
#[derive(Clone)]
pub struct SoundLender {
    shared: Arc<Shared>,
    counters: Arc<SoundCounters>,
    clock: SessionClock,
}

impl SoundLender {
    /// The writing end for a new stream; `None` while another stream still holds it.
    #[must_use]
    pub fn lend(&self) -> Option<SoundSink> {
        let mut home = self.shared.home();
        if home.lent {
            return None;
        }
        home.lent = true;
        let stream = self.counters.streams.fetch_add(1, Ordering::Relaxed) + 1;
        Some(SoundSink {
            slots: Arc::clone(&home.slots),
            ring: self.shared.ring.load(Ordering::Relaxed),
            lender: self.clone(),
            channels: 1,
            chosen: Fixed::new(),
            block: SoundBlock { stream, ..SoundBlock::EMPTY },
        })
    }

    /// Gives up ring number `ring` ([`SoundSink::ring`]) with the stream that holds it: a new one takes its place. Nothing
    /// is done where that stream has given it back meanwhile, or where it is given up already.
    pub fn abandon(&self, ring: u32) {
        let mut home = self.shared.home();
        if !home.lent || self.shared.ring.load(Ordering::Relaxed) != ring {
            return;
        }
        *home = Home { slots: Arc::new(Slots::new()), lent: false };
        self.shared.unreached.fetch_add(1, Ordering::Relaxed);
        self.shared.ring.store(ring.wrapping_add(1), Ordering::Release);
    }

    /// Abandoned streams that still hang. Each may hold as much sound as its callback had not handed over yet, less than
    /// [`BLOCK_SAMPLES`] samples, which nobody can zero meanwhile.
    #[must_use]
    pub fn unreached(&self) -> usize {
        self.shared.unreached.load(Ordering::Relaxed)
    }

    /// The counters of all rings.
    #[must_use]
    pub fn counters(&self) -> &Arc<SoundCounters> {
        &self.counters
    }
}

/// The writing end, owned by a stream's callback. Goes back to its lender when dropped.
pub struct SoundSink {
    slots: Arc<Slots>,
    ring: u32,
    lender: SoundLender,
    channels: usize,
    /// Channels that are averaged; empty for all.
    chosen: Fixed<u16, MOST_CHANNELS>,
    block: SoundBlock,
}

impl SoundSink {
    /// Tells what the stream delivers; before its first sample.
    pub fn set_format(&mut self, rate: SampleRate, channels: u16) {
        self.block.rate = rate;
        self.channels = usize::from(channels.max(1));
    }

    /// Averages these channels alone, counted from 0; after [`Self::set_format`], before the first sample. All of them where
    /// `chosen` is empty.
    ///
    /// # Errors
    /// [`CaptureError::Device`] for a channel that `device` does not have; it tells how many there are.
    pub fn set_channels(&mut self, device: &str, chosen: &[u16]) -> Result<()> {
        check_channels(device, chosen, self.channels)?;
        self.chosen = chosen.iter().take(MOST_CHANNELS).copied().collect();
        Ok(())
    }

    /// The number of the ring that it writes to, for [`SoundLender::abandon`].
    #[must_use]
    pub fn ring(&self) -> u32 {
        self.ring
    }

    /// The counters of the ring.
    #[must_use]
    pub fn counters(&self) -> &Arc<SoundCounters> {
        &self.lender.counters
    }

    /// Takes interleaved samples; channels are averaged to one. This is the audio callback: it neither locks, allocates,
    /// logs nor waits.
    pub fn push<T: Copy>(&mut self, interleaved: &[T], to_f32: impl Fn(T) -> f32) {
        if self.lender.shared.ring.load(Ordering::Acquire) != self.ring {
            // Abandoned: nobody hears it any longer, and nobody may count it for the stream that took its place.
            self.block.zeroize();
            self.block.len = 0;
            return;
        }
        let counters = &self.lender.counters;
        let used = if self.chosen.is_empty() { self.channels } else { self.chosen.len() };
        let scale = 1.0 / used as f32;
        let mut repaired = 0;
        let frames = interleaved.chunks_exact(self.channels);
        counters.received.fetch_add(frames.len() as u64, Ordering::Relaxed);
        for frame in frames {
            let sum = if self.chosen.is_empty() {
                frame.iter().map(|&s| to_f32(s)).sum::<f32>()
            } else {
                self.chosen.iter().filter_map(|&c| frame.get(usize::from(c))).map(|&s| to_f32(s)).sum::<f32>()
            };
            let mut sample = sum * scale;
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
        if !self.slots.push(&self.block) {
            self.lender.counters.dropped.fetch_add(self.block.len as u64, Ordering::Relaxed);
        }
        self.block.position += self.block.len as u64;
        self.block.len = 0;
    }
}

impl Drop for SoundSink {
    fn drop(&mut self) {
        self.block.zeroize();
        let shared = &self.lender.shared;
        let mut home = shared.home();
        if shared.ring.load(Ordering::Relaxed) == self.ring {
            home.lent = false;
        } else {
            shared.unreached.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Whether a microphone of `channels` channels has those of `chosen`, counted from 0.
///
/// # Errors
/// [`CaptureError::Device`] that tells how many there are.
pub(super) fn check_channels(device: &str, chosen: &[u16], channels: usize) -> Result<()> {
    let Some(wrong) = chosen.iter().find(|&&c| usize::from(c) >= channels) else { return Ok(()) };
    let are = match channels {
        1 => "it has one channel, number 0".to_owned(),
        more => format!("it has {more} channels, numbers 0 to {}", more - 1),
    };
    Err(CaptureError::Device {
        kind: DeviceKind::Microphone,
        device: device.into(),
        action: "open it",
        reason: format!("there is no channel {wrong}: {are}"),
        remedy: "set microphone.channels to channels that it has, or leave it out for all of them",
    })
}

/// The reading end.
pub struct SoundReader {
    slots: Arc<Slots>,
    ring: u32,
    lender: SoundLender,
}

impl SoundReader {
    /// The next block, if there is one. Never waits for a stream.
    pub fn take(&mut self) -> Option<SoundBlock> {
        if self.lender.shared.ring.load(Ordering::Acquire) != self.ring {
            self.follow();
        }
        self.slots.pop()
    }

    /// Goes over to the ring in use and zeroes the one before.
    fn follow(&mut self) {
        let home = self.lender.shared.home();
        let before = std::mem::replace(&mut self.slots, Arc::clone(&home.slots));
        self.ring = self.lender.shared.ring.load(Ordering::Relaxed);
        drop(home);
        while before.pop().is_some() {}
    }

    /// The counters of all rings.
    #[must_use]
    pub fn counters(&self) -> &Arc<SoundCounters> {
        &self.lender.counters
    }

    /// Overwrites every sample that the ring in use holds with zeros; what was taken was zeroed when it was taken. `false`,
    /// and nothing is done, while a stream holds the writing end, and with it the samples of a block that is not full yet.
    pub fn wipe(&mut self) -> bool {
        if self.lender.shared.ring.load(Ordering::Acquire) != self.ring {
            self.follow();
        }
        let home = self.lender.shared.home();
        if home.lent {
            return false;
        }
        while self.slots.pop().is_some() {}
        true
    }

    /// Abandoned streams that still hang: see [`SoundLender::unreached`].
    #[must_use]
    pub fn unreached(&self) -> usize {
        self.lender.unreached()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One block of `value`.
    fn say(sink: &mut SoundSink, value: f32) {
        sink.push(&[value; BLOCK_SAMPLES], |s| s);
    }

    fn heard(reader: &mut SoundReader) -> Vec<f32> {
        std::iter::from_fn(|| reader.take()).filter_map(|b| b.samples().first().copied()).collect()
    }

    #[test]
    fn an_abandoned_stream_is_never_heard_and_its_ring_is_zeroed_and_freed() {
        let (lender, mut reader) = sound_ring(SessionClock::start());
        let mut first = lender.lend().unwrap();
        say(&mut first, 0.1);
        assert_eq!(heard(&mut reader), [0.1]);
        assert!(lender.lend().is_none(), "one stream at a time");
        say(&mut first, 0.2);
        let (ring, slots) = (first.ring(), Arc::downgrade(&first.slots));
        lender.abandon(ring);
        lender.abandon(ring);
        assert_eq!(lender.unreached(), 1, "given up once");
        let mut second = lender.lend().unwrap();
        let counted = lender.counters().received();
        say(&mut first, 0.3);
        assert_eq!(lender.counters().received(), counted, "the abandoned stream counts for nobody");
        assert!(first.block.samples.iter().all(|s| *s == 0.0));
        say(&mut second, 0.4);
        let streams: Vec<(u32, f32)> =
            std::iter::from_fn(|| reader.take()).map(|b| (b.stream, b.samples()[0])).collect();
        assert_eq!(streams, [(2, 0.4)], "not what the abandoned one said before or after");
        assert!(slots.upgrade().unwrap().is_zero());
        drop(first);
        assert!(slots.upgrade().is_none(), "its memory is free");
        assert_eq!(lender.unreached(), 0);
        assert!(lender.lend().is_none(), "the end of an abandoned stream gives nobody a second writing end");
        lender.abandon(ring);
        say(&mut second, 0.5);
        assert_eq!(heard(&mut reader), [0.5], "a ring that was given up long ago takes no other with it");
    }

    #[test]
    fn a_stream_that_gave_its_ring_back_is_not_abandoned() {
        let (lender, mut reader) = sound_ring(SessionClock::start());
        let first = lender.lend().unwrap();
        let ring = first.ring();
        drop(first);
        lender.abandon(ring);
        assert_eq!(lender.unreached(), 0);
        let mut second = lender.lend().unwrap();
        assert_eq!(second.ring(), ring);
        say(&mut second, 0.1);
        assert_eq!(heard(&mut reader), [0.1]);
    }

    #[test]
    fn a_reader_that_was_away_follows_over_several_rings_and_wipes() {
        let (lender, mut reader) = sound_ring(SessionClock::start());
        let mut hung = Vec::new();
        for _ in 0..5 {
            let mut sink = lender.lend().unwrap();
            say(&mut sink, 0.7);
            lender.abandon(sink.ring());
            hung.push(sink);
        }
        assert_eq!(lender.unreached(), 5);
        let mut last = lender.lend().unwrap();
        say(&mut last, 0.1);
        assert!(!reader.wipe(), "a stream holds the writing end");
        assert_eq!(heard(&mut reader), [0.1]);
        say(&mut last, 0.2);
        let slots = Arc::clone(&last.slots);
        drop(last);
        assert!(reader.wipe() && slots.is_zero());
        assert!(reader.take().is_none());
    }

    #[test]
    fn chosen_channels_are_averaged_and_wrong_ones_told() {
        let (lender, mut reader) = sound_ring(SessionClock::start());
        let frame = [0.5f32, 0.25, -0.5, 0.125, 0.0, 1.0];
        let sound: Vec<f32> = frame.iter().copied().cycle().take(6 * BLOCK_SAMPLES).collect();
        for (chosen, expected) in
            [(&[][..], frame.iter().sum::<f32>() / 6.0), (&[0], 0.5), (&[1, 3], 0.1875), (&[5], 1.0), (&[2], -0.5)]
        {
            let mut sink = lender.lend().unwrap();
            sink.set_format(SampleRate::HZ_16000, 6);
            sink.set_channels("array", chosen).unwrap();
            sink.push(&sound, |s| s);
            let block = reader.take().unwrap();
            assert_eq!(block.samples().len(), BLOCK_SAMPLES);
            assert!(block.samples().iter().all(|s| (s - expected).abs() < 1e-6), "{chosen:?}: {:?}", block.samples()[0]);
        }
        let mut sink = lender.lend().unwrap();
        sink.set_format(SampleRate::HZ_16000, 6);
        let told = sink.set_channels("array", &[1, 6]).unwrap_err().to_string();
        assert!(told.contains("no channel 6") && told.contains("6 channels, numbers 0 to 5"), "{told}");
        sink.set_format(SampleRate::HZ_16000, 1);
        let told = sink.set_channels("array", &[1]).unwrap_err().to_string();
        assert!(told.contains("one channel, number 0"), "{told}");
    }
}
