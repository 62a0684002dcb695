//! A running `mien run`, watched by its output.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::dry::dry;

/// A running session; killed with its test.
pub(crate) struct Session {
    child: Child,
    lines: Receiver<Value>,
    /// Everything that came so far.
    pub(crate) seen: Vec<Value>,
}

/// What an ended session left.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) seen: Vec<Value>,
    pub(crate) stderr: String,
}

/// `mien` on the dry bundle with `args`, not yet started.
pub(crate) fn mien<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mien"));
    command.args(args).env("MIEN_BUNDLE", dry());
    command
}

impl Session {
    /// `mien run --json` with `args`.
    pub(crate) fn start<S: AsRef<std::ffi::OsStr>>(args: &[S], env: &[(String, String)]) -> Self {
        let mut command = mien(&["run", "--json"]);
        command.args(args).envs(env.iter().cloned());
        Self::of(command)
    }

    /// A session of any command that writes the lines of `mien run --json`.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = sync_channel(4096);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).expect("one JSON object per line");
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The first line from now on, or seen already, that `wanted` accepts.
    pub(crate) fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(line) = self.seen.iter().find(|line| wanted(line)) {
            return line.clone();
        }
        self.next(what, wanted)
    }

    /// The first line that has not been seen yet and that `wanted` accepts.
    pub(crate) fn next(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if wanted(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no {what} within a minute; seen: {:#?}", self.seen),
                Err(RecvTimeoutError::Disconnected) => {
                    let mut stderr = String::new();
                    let _ = self.child.stderr.take().unwrap().read_to_string(&mut stderr);
                    panic!("ended before {what}; seen: {:#?}\n{stderr}", self.seen);
                }
            }
        }
    }

    /// A device's next change to `state`.
    pub(crate) fn next_state(&mut self, device: &str, state: &str) -> Value {
        self.next(&format!("{device} {state}"), |line| is_change(line, device, state))
    }

    /// A device's change to `state`, past or to come.
    pub(crate) fn state(&mut self, device: &str, state: &str) -> Value {
        self.wait(&format!("{device} {state}"), |line| is_change(line, device, state))
    }

    /// The first records with this revision, `count` of them.
    pub(crate) fn records(&mut self, revision: u64, count: usize) -> Vec<Value> {
        let matching = |seen: &[Value]| seen.iter().filter(|l| l["revision"] == revision).cloned().collect::<Vec<_>>();
        while matching(&self.seen).len() < count {
            self.next("record", |line| line["revision"] == revision);
        }
        matching(&self.seen)
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().expect("kill starts");
        assert!(sent.success(), "kill -s {name}");
    }

    /// Asks for the end and waits for it.
    pub(crate) fn stop(mut self) -> Ended {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> Ended {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("does not end; seen: {:#?}", self.seen),
            }
        }
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        Ended { code: self.child.wait().unwrap().code(), seen: std::mem::take(&mut self.seen), stderr }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_change(line: &Value, device: &str, state: &str) -> bool {
    line["event"]["device"] == device && line["event"]["to"] == state
}
