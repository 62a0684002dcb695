//! A program that does not come to its microphone for a minute.

use std::time::{Duration, Instant};

use mien_capture::SessionClock;
use mien_capture::device::microphone::{Microphone, MicrophoneRequest};
use mien_capture::device::{SoundDevice, sound_ring};

use crate::child::{Child, in_child, tell};
use crate::pulse::PulseServer;

/// How long nobody reads.
const ASLEEP: Duration = Duration::from_secs(60);
/// As the server takes sound.
const RATE: u64 = 16_000;

/// Opens the sound server's microphone, sleeps, and tells what came of it.
fn sleep_at_the_microphone() {
    let (lender, mut reader) = sound_ring(SessionClock::start());
    let request =
        MicrophoneRequest { device: "default".into(), rate_hz: Some(16_000), buffer: Duration::from_millis(100) };
    let mut stream = Microphone::new(request).open(lender.lend().unwrap()).unwrap();
    let counters = lender.counters();
    let deadline = Instant::now() + crate::LIMIT;
    while counters.received() == 0 {
        assert!(Instant::now() < deadline, "the microphone gives nothing");
        std::thread::sleep(Duration::from_millis(5));
    }
    let (begun, before) = (Instant::now(), counters.received());
    std::thread::sleep(ASLEEP);
    let (received, dropped) = (counters.received(), counters.dropped());
    let expected = (begun.elapsed().as_secs_f64() * RATE as f64) as u64;
    assert!(stream.fault().is_none(), "the stream has ended");
    // The server hands sound over in pieces of up to a few tenths of a second.
    let off = (received - before).abs_diff(expected);
    assert!(off < RATE, "{} samples of {expected} came while nobody read", received - before);
    assert!(dropped > expected / 2, "only {dropped} samples are counted as lost");
    // Awake again: the oldest sound is at hand, and what comes from now on is heard as ever.
    let kept = std::iter::from_fn(|| reader.take()).map(|b| b.samples().len() as u64).sum::<u64>();
    assert!(received - dropped - kept < 2_000, "{received} came, {dropped} were lost, {kept} are here");
    let deadline = Instant::now() + crate::LIMIT;
    let next = loop {
        if let Some(block) = reader.take() {
            break block;
        }
        assert!(Instant::now() < deadline, "the microphone has stopped");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(next.position >= kept + dropped, "the gap is in the next block's position");
    tell("well");
}

#[test]
fn a_minute_without_a_reader_costs_counted_samples_and_no_stream() {
    const NAME: &str = "sleeper::a_minute_without_a_reader_costs_counted_samples_and_no_stream";
    if in_child() {
        return sleep_at_the_microphone();
    }
    let server = PulseServer::start();
    let env = server.env();
    let variables: Vec<_> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let mut child = Child::start(NAME, &variables);
    child.expect_in("well", ASLEEP + crate::LIMIT);
    assert_eq!(child.exit_code(), Some(0));
}
