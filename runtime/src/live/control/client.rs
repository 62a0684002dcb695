//! One client of the control socket; nobody waits for it.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::live::command::Command;

/// Longest command in bytes.
const LINE: usize = 256;
/// How long a client may take for its command.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// How long a client may say nothing before it may be sent away for another one.
const GRACE: Duration = Duration::from_millis(20);

/// A connection, and what came on it so far.
#[derive(Clone)]
pub(super) struct Client {
    stream: Arc<UnixStream>,
    /// Whether it waits for an answer; until then nothing more is taken from it.
    waits: Arc<AtomicBool>,
    /// Whether that is the answer to a mute.
    mutes: bool,
    gone: Arc<AtomicBool>,
    came: Vec<u8>,
    /// Since when a command is waited for.
    since: Instant,
    heard: bool,
    /// Whether an answer to it was under way when it was looked at last.
    answering: bool,
}

/// What a client says.
pub(super) enum Line {
    /// Nothing yet.
    None,
    /// A command.
    Command(Command),
    /// Something that is none, and why.
    Unknown(String),
    /// It went, or is to go: too slow, or too long a line.
    Gone,
}

impl Client {
    /// A client that has said nothing yet.
    pub(super) fn new(stream: UnixStream) -> Self {
        let _ = stream.set_nonblocking(true);
        Self {
            stream: Arc::new(stream),
            waits: Arc::default(),
            mutes: false,
            gone: Arc::default(),
            came: Vec::new(),
            since: Instant::now(),
            heard: false,
            answering: false,
        }
    }

    /// Whether it waits for an answer.
    pub(super) fn waits(&self) -> bool {
        self.waits.load(Ordering::Acquire)
    }

    /// Whether a line of it is here and can be taken.
    pub(super) fn has_line(&self) -> bool {
        !self.waits() && self.came.contains(&b'\n')
    }

    /// Since when a command of it is waited for.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Whether it may be sent away for another one: it had its time to say something, and is muting nothing.
    pub(super) fn may_go(&self) -> bool {
        if self.waits() { !self.mutes } else { self.heard && self.since.elapsed() > GRACE }
    }

    /// Whether it was sent away.
    pub(super) fn gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// The next line, if it is here.
    pub(super) fn line(&mut self) -> Line {
        if self.waits() {
            self.answering = true;
            return Line::None;
        }
        if std::mem::take(&mut self.answering) {
            // It was answered just now.
            self.since = Instant::now();
        }
        self.heard = true;
        if !self.has_line() {
            let mut bytes = [0; LINE];
            match (&*self.stream).read(&mut bytes) {
                Ok(0) => return Line::Gone,
                Ok(count) => self.came.extend_from_slice(bytes.get(..count).unwrap_or_default()),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => return Line::Gone,
            }
        }
        let Some(end) = self.came.iter().position(|byte| *byte == b'\n') else {
            let over = self.came.len() > LINE || self.since.elapsed() > PATIENCE;
            return if over { Line::Gone } else { Line::None };
        };
        let line: Vec<u8> = self.came.drain(..=end).collect();
        self.since = Instant::now();
        if end > LINE {
            return Line::Gone;
        }
        match String::from_utf8_lossy(&line).trim().parse() {
            Ok(command) => {
                self.mutes = Command::mutes(command);
                self.waits.store(true, Ordering::Release);
                Line::Command(command)
            }
            Err(reason) => Line::Unknown(reason),
        }
    }

    /// Sends an answer; one who does not take it is cut off.
    pub(super) fn answer(&self, answer: &Value) {
        let line = format!("{answer}\n");
        if (&*self.stream).write_all(line.as_bytes()).is_err() {
            let _ = self.stream.shutdown(std::net::Shutdown::Both);
        }
        self.waits.store(false, Ordering::Release);
    }

    /// Says that there is no place.
    pub(super) fn send_away(self) {
        self.gone.store(true, Ordering::Release);
        self.answer(&json!({ "error": "too many clients; try again" }));
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
