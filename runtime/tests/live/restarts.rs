//! Sound servers that are killed and started again while a session listens: heard again each time, and nothing is left over.
//!
//! `MIEN_RESTARTS=20 cargo xtask test --test live restarts -- --nocapture` shows the figures of twenty rounds.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::pipewire::PipeWireServer;
use crate::pulse::PulseServer;
use crate::session::Session;
use crate::speech::scored;

/// Rounds, unless MIEN_RESTARTS says otherwise.
const ROUNDS: usize = 3;
/// From the moment at which the server answers again to the first sample of it.
const HEARD_AGAIN: Duration = Duration::from_secs(10);
/// Growth that is allowed from the first round to the last, kB: what libraries make once, not what each round leaves.
const GROWTH_KB: i64 = 24_000;

/// A server that can be killed.
trait Server {
    fn env(&self) -> Vec<(String, String)>;
    fn play(&self, wav: &Path) -> Child;
    fn kill(&mut self);
    fn restart(&mut self);
}

macro_rules! server {
    ($name:ty) => {
        impl Server for $name {
            fn env(&self) -> Vec<(String, String)> {
                self.env()
            }
            fn play(&self, wav: &Path) -> Child {
                self.play(wav)
            }
            fn kill(&mut self) {
                self.kill();
            }
            fn restart(&mut self) {
                self.restart();
            }
        }
    };
}

server!(PulseServer);
server!(PipeWireServer);

/// A voice of alsa-utils between two pauses; mono, 16 bits, 16 kHz.
fn voice(folder: &Path) -> PathBuf {
    let path = folder.join("voice.wav");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i", "/usr/share/sounds/alsa/Front_Center.wav"])
        .args(["-af", "adelay=300:all=1,apad=pad_dur=1.2,aresample=16000", "-ac", "1", "-c:a", "pcm_s16le"])
        .arg(&path)
        .status();
    assert!(made.expect("ffmpeg is not installed: run `cargo xtask setup`").success());
    path
}

/// Resident kB and threads of a process.
fn held(id: u32) -> (i64, i64) {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let number = |key: &str| -> i64 {
        let line = status.lines().find_map(|l| l.strip_prefix(key)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    (number("VmRSS:"), number("Threads:"))
}

/// Plays the voice until it is scored: the way through a server that has just started may swallow a beginning.
fn scored_live(server: &dyn Server, session: &mut Session, wav: &Path, expected: &Value) {
    let heard = session.seen.iter().filter(|l| l["revision"] == 1).count();
    assert!(server.play(wav).wait().unwrap().success());
    let record = session.records(1, heard + 1).pop().unwrap();
    let number = |record: &Value, key: &str| record[key].as_f64().unwrap_or_else(|| panic!("no {key} in {record}"));
    let length = |record: &Value| number(record, "end_s") - number(record, "start_s");
    assert!((length(&record) - length(expected)).abs() < 0.1, "{record}\nexpected {expected}");
    // The server resamples, so not to the last bit.
    let off = (number(&record, "valence") - number(expected, "valence")).abs();
    assert!(off <= 0.05, "{record}\nexpected {expected}");
}

fn survives(name: &str, server: &mut dyn Server) {
    let rounds = std::env::var("MIEN_RESTARTS").map_or(ROUNDS, |n| n.parse().expect("MIEN_RESTARTS is a number"));
    let folder = tempfile::tempdir().unwrap();
    let wav = voice(folder.path());
    let expected = scored(&wav, &["--no-llm"]).remove(0);
    let mut session = Session::start(&["--no-llm", "--no-camera", "--microphone", "default"], &server.env());
    session.state("microphone", "running");
    scored_live(server, &mut session, &wav, &expected);
    let mut waits = Vec::new();
    let mut first = None;
    for _ in 0..rounds {
        server.kill();
        session.next_state("microphone", "reopening");
        server.restart();
        let back = Instant::now();
        session.next_state("microphone", "running");
        waits.push(back.elapsed());
        assert!(back.elapsed() < HEARD_AGAIN, "heard again after {:?}", back.elapsed());
        scored_live(server, &mut session, &wav, &expected);
        first.get_or_insert_with(|| held(session.id()));
    }
    let (first, last) = (first.unwrap(), held(session.id()));
    waits.sort();
    println!(
        "{name}: {rounds} restarts, heard again after {:.2} s at least, {:.2} s in the median, {:.2} s at most; \
         resident {} kB -> {} kB, threads {} -> {}",
        waits[0].as_secs_f64(),
        waits[waits.len() / 2].as_secs_f64(),
        waits[waits.len() - 1].as_secs_f64(),
        first.0,
        last.0,
        first.1,
        last.1
    );
    assert!(last.0 - first.0 < GROWTH_KB, "{first:?} became {last:?}");
    assert!(last.1 <= first.1 + 2, "{first:?} became {last:?}");
    let ended = session.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn pulseaudio_is_heard_again_after_every_crash() {
    // The server converts, so what it hands over in pieces is not what is read in pieces: when it dies, ALSA's plug-in has
    // mostly taken a part of one, for which PulseAudio's library would wait without end.
    survives("PulseAudio", &mut PulseServer::start_with("rate=48000 channels=2 format=s24le"));
}

#[test]
fn pipewire_is_heard_again_after_every_crash() {
    survives("PipeWire", &mut PipeWireServer::start());
}
