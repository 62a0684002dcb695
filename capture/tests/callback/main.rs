//! The audio callback: the very closure that the sound system calls, under an allocator that counts and beside threads
//! that fight for everything it could lock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(target_os = "linux")]

mod guard;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cpal::{InputCallbackInfo, InputStreamTimestamp, StreamInstant};
use mien_capture::device::microphone::data_callback;
use mien_capture::device::{BLOCK_SAMPLES, RING_BLOCKS, SoundReader, sound_ring};
use mien_capture::{SampleRate, SessionClock};

use guard::{allocations, waits};

/// Frames of a call at 48 kHz: 100 ms.
const FRAMES: usize = 4_800;

fn info() -> InputCallbackInfo {
    InputCallbackInfo::new(InputStreamTimestamp { callback: StreamInstant::ZERO, capture: StreamInstant::ZERO })
}

/// A reader that takes blocks, counts, and asks for the writing end and for a wipe without a pause until told to end.
fn fight(mut reader: SoundReader, ended: &AtomicBool) -> u64 {
    let mut samples = 0;
    while !ended.load(Ordering::Relaxed) {
        while let Some(block) = reader.take() {
            samples += block.samples().len() as u64;
        }
        assert!(!reader.wipe(), "the stream holds the writing end");
    }
    while let Some(block) = reader.take() {
        samples += block.samples().len() as u64;
    }
    samples
}

#[test]
fn the_callback_neither_allocates_nor_locks_nor_waits() {
    neither_allocates_nor_locks_nor_waits(&[]);
}

#[test]
fn the_callback_for_chosen_channels_does_not_either() {
    neither_allocates_nor_locks_nor_waits(&[1]);
}

fn neither_allocates_nor_locks_nor_waits(channels: &[u16]) {
    let (lender, reader) = sound_ring(SessionClock::start());
    let mut sink = lender.lend().unwrap();
    sink.set_format(SampleRate::new(48_000).unwrap(), 2);
    sink.set_channels("two channels", channels).unwrap();
    let mut callback = data_callback::<i16>(sink);
    let sound: Vec<i16> = (0..2 * FRAMES).map(|i| (i % 2_000) as i16).collect();
    let silence = vec![0i16; 2 * 17];
    let info = info();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let fighting = scope.spawn(|| fight(reader, &ended));
        let mut allocated = 0;
        let waited = waits(|| {
            allocated = allocations(|| {
                for _ in 0..2_000 {
                    callback(&sound, &info);
                    // Drivers also hand over a few frames, and none.
                    callback(&silence, &info);
                    callback(&[], &info);
                }
            });
        });
        ended.store(true, Ordering::Relaxed);
        let read = fighting.join().unwrap();
        assert_eq!(allocated, 0, "the callback asked for memory");
        assert_eq!(waited, 0, "the callback waited");
        let received = lender.counters().received();
        assert_eq!(received, 2_000 * (FRAMES as u64 + 17));
        // All samples are accounted for; less than a block may not have been handed over yet.
        let rest = received - read - lender.counters().dropped();
        assert!(rest < BLOCK_SAMPLES as u64, "{rest} samples are neither read nor counted as dropped");
    });
    // The ring is full now: what does not fit is counted, by the same rules.
    let full = allocations(|| {
        for _ in 0..100 {
            callback(&sound, &info);
        }
    });
    assert_eq!(full, 0);
    assert!(lender.counters().dropped() > 0);
}

/// What the test above holds would be noticed if it were not so.
#[test]
fn a_callback_that_allocates_or_locks_is_noticed() {
    let mut kept = Vec::new();
    assert!(allocations(|| kept.push(vec![0u8; 100])) > 0);
    let shared = Arc::new(Mutex::new(0u64));
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                let mut held = shared.lock().unwrap();
                *held += 1;
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        let waited = waits(|| {
            // A lock that is free at one moment may be held at the next: many attempts, for as long as it takes.
            let deadline = Instant::now() + Duration::from_secs(2);
            while Instant::now() < deadline {
                *shared.lock().unwrap() += 1;
            }
        });
        ended.store(true, Ordering::Relaxed);
        assert!(waited > 0);
    });
}

#[test]
fn a_reader_that_sleeps_for_a_minute_costs_counted_drops() {
    let (lender, mut reader) = sound_ring(SessionClock::start());
    let mut sink = lender.lend().unwrap();
    sink.set_format(SampleRate::new(48_000).unwrap(), 1);
    let mut callback = data_callback::<f32>(sink);
    let info = info();
    // Each second its own value, so that it can be told which was kept.
    let second = |s: usize| vec![s as f32 / 100.0; FRAMES];
    let waited = waits(|| (0..60).for_each(|s| (0..10).for_each(|_| callback(&second(s), &info))));
    assert_eq!(waited, 0, "the callback never waits for its reader");
    let capacity = ((RING_BLOCKS - 1) * BLOCK_SAMPLES) as u64;
    let (received, dropped) = (lender.counters().received(), lender.counters().dropped());
    assert_eq!(received, 60 * 48_000);
    // Blocks may be as short as half when a call ends in them.
    assert!(received - dropped <= capacity && received - dropped > capacity / 2, "{dropped} of {received} dropped");

    // The reader wakes up: the oldest sound is there, and the next block says where it stands.
    let mut kept = 0;
    while let Some(block) = reader.take() {
        assert_eq!(block.position, kept, "what is kept is without a gap");
        kept += block.samples().len() as u64;
        assert!(block.samples().iter().all(|s| *s < 0.02), "the first seconds were kept");
    }
    callback(&second(99), &info);
    let block = reader.take().unwrap();
    assert_eq!(block.position, kept + dropped, "the gap is in the position");
    // The block under way when the reader woke up still holds the end of the minute.
    assert!(block.samples().last().is_some_and(|s| *s == 0.99));
}
