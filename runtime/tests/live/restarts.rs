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

/// How what is heard may differ from what is played.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Not at all.
    Exact,
    /// By pieces that the server loses where the machine is busy, for it has no real-time priority here; not always.
    Mostly,
    /// By the server's own resampling.
    Resampled,
}

/// Plays the voice and holds that it is heard whole, by a stream that began after `since`. Gives whether it is scored as its
/// file is. A server that has just started may click or swallow a piece, so the voice may be said three times.
fn said(server: &dyn Server, session: &mut Session, wav: &Path, expected: &Value, way: Way, since: &Value) -> bool {
    let number = |record: &Value, key: &str| record[key].as_f64().unwrap_or_else(|| panic!("no {key} in {record}"));
    let length = |record: &Value| number(record, "end_s") - number(record, "start_s");
    let since = number(&since["event"], "time_s");
    let mut others = Vec::new();
    for _ in 0..3 {
        assert!(server.play(wav).wait().unwrap().success());
        let record = session.next("score", |line| line["revision"] == 1 && number(line, "end_s") > since);
        let (heard, wanted) = (number(&record, "valence"), number(expected, "valence"));
        let whole = (length(&record) - length(expected)).abs() < 0.25;
        let same = whole && (heard - wanted).abs() <= 1e-5 * wanted.abs().max(1.0);
        if same || whole && way != Way::Exact {
            return same;
        }
        others.push(record);
    }
    panic!("heard {others:#?}\nexpected {expected}");
}

/// `more` goes to the configuration's microphone.
fn survives(name: &str, server: &mut dyn Server, more: &str, way: Way) {
    let rounds = std::env::var("MIEN_RESTARTS").map_or(ROUNDS, |n| n.parse().expect("MIEN_RESTARTS is a number"));
    let folder = tempfile::tempdir().unwrap();
    let wav = voice(folder.path());
    let expected = scored(&wav, &["--no-llm"]).remove(0);
    let config = folder.path().join("mien.toml");
    std::fs::write(&config, format!("[microphone]\n{more}\n")).unwrap();
    let mut session = Session::start(&["--no-llm", "--no-camera", "--config", config.to_str().unwrap()], &server.env());
    let running = session.state("microphone", "running");
    let mut same = usize::from(said(server, &mut session, &wav, &expected, way, &running));
    let mut waits = Vec::new();
    let mut first = None;
    for _ in 0..rounds {
        server.kill();
        session.next_state("microphone", "reopening");
        server.restart();
        let back = Instant::now();
        let running = session.next_state("microphone", "running");
        waits.push(back.elapsed());
        assert!(back.elapsed() < HEARD_AGAIN, "heard again after {:?}", back.elapsed());
        same += usize::from(said(server, &mut session, &wav, &expected, way, &running));
        first.get_or_insert_with(|| held(session.id()));
    }
    let (first, last) = (first.unwrap(), held(session.id()));
    waits.sort();
    println!(
        "{name}: {rounds} restarts, heard again after {:.2} s at least, {:.2} s in the median, {:.2} s at most; \
         scored as the file {same} times of {}; resident {} kB -> {} kB, threads {} -> {}",
        waits[0].as_secs_f64(),
        waits[waits.len() / 2].as_secs_f64(),
        waits[waits.len() - 1].as_secs_f64(),
        rounds + 1,
        first.0,
        last.0,
        first.1,
        last.1
    );
    assert!(way == Way::Resampled || same > 0, "never scored as the file");
    assert!(last.0 - first.0 < GROWTH_KB, "{first:?} became {last:?}");
    assert!(last.1 <= first.1 + 2, "{first:?} became {last:?}");
    let ended = session.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn pulseaudio_is_heard_again_after_every_crash() {
    survives("PulseAudio", &mut PulseServer::start(), "rate_hz = 16000", Way::Exact);
}

#[test]
fn pulseaudio_is_heard_again_where_it_converts() {
    // It then hands over other pieces than are read: when it dies, ALSA's plug-in has mostly taken a part of one, for which
    // PulseAudio's library would wait without end.
    let mut server = PulseServer::start_with("rate=48000 channels=2 format=s24le");
    survives("PulseAudio at 48 kHz", &mut server, "", Way::Resampled);
}

#[test]
fn pipewire_is_heard_again_after_every_crash() {
    survives("PipeWire", &mut PipeWireServer::start(), "rate_hz = 16000", Way::Mostly);
}
