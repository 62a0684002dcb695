//! Who reads what a session says: well, slowly, not at all, no longer.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::LIMIT;
use crate::mute::ask;
use crate::session::{Session, mien};
use crate::speech::{as_device, two_voices};

/// What an ending may take at most; a machine that does other things gets more than the promised second.
const ENDING: Duration = Duration::from_secs(5);

/// A pipe that holds a few lines only.
fn small_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::pipe::fcntl_setpipe_size(writer.as_fd(), 4096).unwrap();
    (reader, writer)
}

/// A session whose outputs the test holds, with a control socket.
struct Held {
    child: Child,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Held {
    fn start(more: &str, args: &[&str], stdout: impl Into<Stdio>, stderr: impl Into<Stdio>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        two_voices(folder.path());
        let config = folder.path().join("mien.toml");
        let text = format!(
            "[microphone]\ndevice = \"file:two.wav\"\n[camera]\nenabled = false\n[llm]\nenabled = false\n[control]\nsocket = \"control\"\n{more}"
        );
        std::fs::write(&config, text).unwrap();
        let mut command: Command = mien(&["run", "--json", "--config", config.to_str().unwrap()]);
        let child = command.args(args).env("RUST_LOG", "debug").stdout(stdout).stderr(stderr).spawn().unwrap();
        Self { child, socket: folder.path().join("control"), _folder: folder }
    }

    fn status(&self) -> Value {
        until("the control socket", || self.socket.exists());
        ask(&self.socket, "status")["view"].clone()
    }

    /// Waits until `count` utterances more were scored.
    #[track_caller]
    fn scores(&self, count: u64) {
        let scored = || self.status()["first_ms"]["count"].as_u64().unwrap();
        let before = scored();
        until("scores", || scored() >= before + count);
    }

    fn signal(&self, name: &str) -> Instant {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
        Instant::now()
    }

    /// Waits for the end; gives the exit code and how long it took.
    #[track_caller]
    fn end(&mut self, asked: Instant) -> (Option<i32>, Duration) {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), asked.elapsed());
            }
            assert!(asked.elapsed() < LIMIT, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "never {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_ordinary_reader_gets_every_line_up_to_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let sound = as_device(&two_voices(folder.path()));
    let mut session = Session::start(&["--no-camera", "--microphone", &sound], &[]);
    session.records(2, 2);
    let ended = session.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let numbers: Vec<u64> = ended.seen.iter().filter_map(|line| line["seq"].as_u64()).collect();
    assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
    let firsts = ended.seen.iter().filter(|line| line["revision"] == 1).count();
    let revised = ended.seen.iter().filter(|line| line["revision"] == 2).count();
    assert_eq!(firsts, revised, "the last utterance's second score is missing");
    assert!(ended.seen.iter().any(|line| line["event"]["kind"] == "stopping"));
}

#[test]
fn a_reader_who_stalls_stops_nothing_and_is_told_what_he_missed() {
    let (reader, writer) = small_pipe();
    let (_stderr, errors) = small_pipe();
    let mut held = Held::start("", &[], writer, errors);
    held.scores(1);
    // Each mute and its end is an event; the queue holds a thousand.
    until("losses", || {
        ask(&held.socket, "mute");
        ask(&held.socket, "unmute");
        held.status()["output"]["stdout"]["lost"].as_u64().unwrap() > 3
    });
    assert_eq!(held.status()["output"]["stdout"]["reader"], "stalled");
    assert_eq!(held.status()["output"]["stderr"]["reader"], "stalled");
    held.scores(2);
    // He wakes up: what waited comes first, then how much is missing, then what is new.
    let lines = std::thread::spawn(move || {
        let lines = BufReader::new(reader).lines().map_while(Result::ok);
        lines.map(|line| serde_json::from_str(&line).expect("one JSON object per line")).collect::<Vec<Value>>()
    });
    until("read again", || held.status()["output"]["stdout"]["reader"] == "reading");
    until("empty", || held.status()["output"]["stdout"]["waiting"] == 0);
    held.scores(1);
    let lost = held.status()["output"]["stdout"]["lost"].as_u64().unwrap();
    let (code, took) = held.end(held.signal("TERM"));
    assert_eq!(code, Some(0));
    assert!(took < ENDING, "{took:?}");
    let lines = lines.join().unwrap();
    let told: u64 = lines.iter().filter_map(|line| line["event"]["lines"].as_u64()).sum();
    assert_eq!(told, lost, "every loss is told");
    let dropped: u64 = lines.iter().filter_map(|line| line["dropped"]["lines"].as_u64()).sum();
    assert!(dropped > 0 && dropped <= lost, "{dropped} of {lost} in records");
}

#[test]
fn a_full_pipe_does_not_hold_up_the_end() {
    for signals in [1, 2] {
        let ((_reader, writer), (_stderr, errors)) = (small_pipe(), small_pipe());
        let mut held = Held::start("", &[], writer, errors);
        until("stalled", || held.status()["output"]["stdout"]["reader"] == "stalled");
        let asked = held.signal("TERM");
        if signals == 2 {
            std::thread::sleep(Duration::from_millis(50));
            held.signal("TERM");
        }
        let (code, took) = held.end(asked);
        println!("{signals} SIGTERM with two full pipes: exit code {code:?} after {took:?}");
        assert!(took < ENDING, "{took:?}");
        if signals == 1 {
            assert_eq!(code, Some(0));
        }
    }
}

#[test]
fn a_reader_who_goes_away_ends_the_session_only_where_that_is_wanted() {
    for (policy, code) in [("", Some(0)), ("[output]\non_closed = \"stop\"\n", Some(1))] {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut held = Held::start(policy, &[], writer, Stdio::piped());
        let mut stderr = held.child.stderr.take().unwrap();
        let told = std::thread::spawn(move || {
            let mut told = String::new();
            stderr.read_to_string(&mut told).map(|_| told)
        });
        held.scores(1);
        drop(reader);
        let asked = if policy.is_empty() {
            until("closed", || held.status()["output"]["stdout"]["reader"] == "closed");
            held.scores(2);
            assert!(held.status()["dropped"]["lines"].as_u64().unwrap() > 0);
            held.signal("TERM")
        } else {
            Instant::now()
        };
        let (ended, took) = held.end(asked);
        let told = told.join().unwrap().unwrap();
        assert_eq!(ended, code, "{told}");
        println!("reader gone, {policy:?}: exit code {ended:?} after {took:?}");
        assert_eq!(told.lines().filter(|line| line.contains("its lines are lost")).count(), 1, "told once: {told}");
    }
}

/// Fills a pipe to the last byte.
fn filled() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = small_pipe();
    writer.write_all(&[b'x'; 4096]).unwrap();
    (reader, writer)
}

#[test]
fn a_blocked_stderr_stops_nothing_from_the_start_on() {
    let (_held, errors) = filled();
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("recording");
    let mut held = Held::start("", &["--record", record.to_str().unwrap()], Stdio::piped(), errors);
    let mut lines = BufReader::new(held.child.stdout.take().unwrap()).lines();
    let scored = lines.by_ref().map_while(Result::ok).find(|line| line.contains("\"revision\":1"));
    assert!(scored.is_some());
    std::thread::spawn(move || lines.count());
    let (code, took) = held.end(held.signal("TERM"));
    assert_eq!(code, Some(0));
    assert!(took < ENDING, "{took:?}");

    // A start that fails says so in vain, and ends all the same.
    let (_held, errors) = filled();
    let missing = Path::new("/nonexistent.toml");
    let mut child = mien(&["run", "--config", missing.to_str().unwrap()]).stderr(errors).spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < LIMIT, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(child.wait().unwrap().code(), Some(3));
}
