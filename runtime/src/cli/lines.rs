//! Lines on their way to a reader who may stall or go away: a bounded queue and a thread of its own that alone waits for him.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mien_runtime::RuntimeError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Lines that wait at most. Overflow: the newest is lost and counted, so that what was written before stays whole and in order.
const MOST_LINES: usize = 1024;
/// Bytes that wait at most.
const MOST_BYTES: usize = 4 << 20;
/// Bytes written at once: what a pipe takes in one piece.
const PIECE: usize = 4096;
/// From when on a reader who takes nothing counts as stalled.
const STALLED: Duration = Duration::from_secs(1);
/// How often it is looked whether a reader has gone, or another one has come.
const LOOK: Duration = Duration::from_millis(500);

/// How the reader stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReaderState {
    /// Takes what comes.
    Reading,
    /// Has taken nothing for a while.
    Stalled,
    /// Has gone, or cannot be written to; what the system said.
    Closed(String),
}

/// The way to one reader.
pub(super) struct Lines {
    to: OwnedFd,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<String>,
    bytes: usize,
    /// Since when the writer has been at the line that it is at.
    writing: Option<Instant>,
    closed: Option<String>,
    /// Lost lines that the reader was not told of, and all of them.
    untold: u64,
    lost: u64,
    /// Lines taken.
    taken: u64,
}

impl State {
    fn lose(&mut self) {
        self.untold += 1;
        self.lost += 1;
    }

    fn room(&self, bytes: usize) -> bool {
        self.closed.is_none() && self.waiting.len() < MOST_LINES && self.bytes + bytes <= MOST_BYTES
    }
}

impl Lines {
    /// Starts the writer, whose thread gets `name`.
    ///
    /// # Errors
    /// [`RuntimeError::Thread`].
    pub(super) fn start(name: &'static str, to: BorrowedFd<'_>) -> Result<Arc<Self>, RuntimeError> {
        let refused = |source| RuntimeError::Thread { name, source };
        let to = to.try_clone_to_owned().map_err(refused)?;
        let lines = Arc::new(Self { to, state: Mutex::default(), changed: Condvar::new() });
        let mine = Arc::clone(&lines);
        // A line that breaks the writer costs no other one.
        let work = move || while catch_unwind(AssertUnwindSafe(|| mine.write())).is_err() {};
        std::thread::Builder::new().name(name.into()).spawn(work).map_err(refused)?;
        Ok(lines)
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lays down a line, its end not included; never waits. Gives whether there was room.
    pub(super) fn put(&self, line: &str) -> bool {
        let mut state = self.locked();
        if !state.room(line.len() + 1) {
            state.lose();
            return false;
        }
        state.bytes += line.len() + 1;
        state.waiting.push_back(format!("{line}\n"));
        drop(state);
        self.changed.notify_all();
        true
    }

    /// How many lines were lost since this was asked last, once there is room to say so.
    pub(super) fn take_untold(&self) -> Option<u64> {
        let mut state = self.locked();
        // Room for what tells of it, and for what is to be told after it.
        let room = state.room(PIECE) && state.waiting.len() + 1 < MOST_LINES;
        (room && state.untold > 0).then(|| std::mem::take(&mut state.untold))
    }

    /// How the reader stands.
    pub(super) fn reader(&self) -> ReaderState {
        let state = self.locked();
        match (&state.closed, state.writing) {
            (Some(reason), _) => ReaderState::Closed(reason.clone()),
            (None, Some(since)) if since.elapsed() > STALLED => ReaderState::Stalled,
            (None, _) => ReaderState::Reading,
        }
    }

    /// Lines that wait, and lines that were lost so far.
    pub(super) fn counts(&self) -> (usize, u64) {
        let state = self.locked();
        (state.waiting.len(), state.lost)
    }

    /// Waits until everything is written, as long as the reader takes something within `patience` and at most for `longest`;
    /// `beat` is called all the while. Gives how many lines were not taken.
    pub(super) fn finish(&self, patience: Duration, longest: Duration, beat: &dyn Fn()) -> usize {
        let deadline = Instant::now() + longest;
        let mut state = self.locked();
        let mut progress = (state.taken, Instant::now());
        loop {
            let left = state.waiting.len() + usize::from(state.writing.is_some());
            if state.taken != progress.0 {
                progress = (state.taken, Instant::now());
            }
            let over = progress.1.elapsed() > patience || Instant::now() > deadline;
            if left == 0 || over || state.closed.is_some() {
                return left;
            }
            beat();
            let waited = self.changed.wait_timeout(state, Duration::from_millis(20));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The writer's thread.
    fn write(&self) {
        let to = self.to.as_fd();
        loop {
            let mut state = self.locked();
            if state.waiting.is_empty() || state.closed.is_some() {
                state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
            }
            let closed = state.closed.is_some();
            let Some(line) = (if closed { None } else { state.waiting.pop_front() }) else {
                drop(state);
                let gone = gone(to);
                match (closed, gone) {
                    // A named pipe may be opened again by another reader.
                    (true, false) => self.locked().closed = None,
                    (false, true) => self.close("its reader has gone"),
                    _ => {}
                }
                if closed {
                    std::thread::sleep(LOOK);
                }
                continue;
            };
            state.bytes -= line.len();
            state.writing = Some(Instant::now());
            drop(state);
            let written = write_all(to, line.as_bytes());
            let mut state = self.locked();
            state.writing = None;
            match written {
                Ok(()) => state.taken += 1,
                // A full disk may have room again; a reader that has gone takes nothing more.
                Err(Errno::NOSPC | Errno::DQUOT) => state.lose(),
                Err(error) => {
                    state.lose();
                    drop(state);
                    self.close(&std::io::Error::from(error).to_string());
                }
            }
            self.changed.notify_all();
        }
    }

    /// The reader has gone: what waits is lost.
    fn close(&self, reason: &str) {
        let mut state = self.locked();
        let waiting = state.waiting.len() as u64;
        state.untold += waiting;
        state.lost += waiting;
        state.waiting.clear();
        state.bytes = 0;
        state.closed = Some(reason.into());
        drop(state);
        self.changed.notify_all();
    }
}

/// Whether nobody can read any longer what is written to `to`.
fn gone(to: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(to, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&now)).is_ok()
        && polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL)
}

/// Writes everything, however long the reader takes.
fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let piece = bytes.get(..PIECE).unwrap_or(bytes);
        match rustix::io::write(to, piece) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // Somebody who shares the pipe made it non-blocking.
            Err(Errno::AGAIN) => {
                let mut polled = [PollFd::from_borrowed_fd(to, PollFlags::OUT)];
                let _ = poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 100_000_000 }));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, PipeReader};

    use super::*;

    const SOON: Duration = Duration::from_millis(300);
    const LIMIT: Duration = Duration::from_secs(30);

    fn lines() -> (Arc<Lines>, PipeReader) {
        let (reader, writer) = std::io::pipe().unwrap();
        (Lines::start("test", writer.as_fd()).unwrap(), reader)
    }

    #[track_caller]
    fn until(what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !holds() {
            assert!(Instant::now() < deadline, "never {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_reader_who_reads_gets_every_line_in_order() {
        let (lines, reader) = lines();
        let reading =
            std::thread::spawn(move || BufReader::new(reader).lines().take(50_000).map(Result::unwrap).collect());
        for n in 0..50_000 {
            // As fast as the reader takes them.
            until("taken", || lines.counts().0 < MOST_LINES);
            assert!(lines.put(&n.to_string()));
        }
        assert_eq!(lines.finish(LIMIT, LIMIT, &|| {}), 0);
        let read: Vec<String> = reading.join().unwrap();
        assert!(read.iter().enumerate().all(|(n, line)| *line == n.to_string()));
        assert_eq!(lines.counts(), (0, 0));
    }

    #[test]
    fn a_reader_who_stalls_costs_counted_lines_and_is_told_when_he_reads_again() {
        let (lines, reader) = lines();
        let line = "x".repeat(999);
        // More than the pipe holds, then more than the queue does.
        let mut put = (0..100).filter(|_| lines.put(&line)).count();
        until("stalled", || lines.reader() == ReaderState::Stalled);
        put += (0..3_000).filter(|_| lines.put(&line)).count();
        assert!((MOST_LINES..MOST_LINES + 100).contains(&put), "{put} lines were taken in");
        assert_eq!(lines.take_untold(), None, "there is no room to tell");
        let start = Instant::now();
        assert!(lines.finish(SOON, LIMIT, &|| {}) > 0);
        assert!(start.elapsed() < LIMIT / 2, "a stalled reader is waited for");
        let mut reader = BufReader::new(reader);
        let mut read = String::new();
        for _ in 0..500 {
            reader.read_line(&mut read).unwrap();
        }
        until("room", || lines.counts().0 < MOST_LINES - 100);
        assert_eq!(lines.take_untold(), Some(3_100 - put as u64));
        assert_eq!(lines.take_untold(), None, "it is told once");
        assert!(lines.put("after"));
        for _ in 500..put {
            reader.read_line(&mut read).unwrap();
        }
        read.clear();
        reader.read_line(&mut read).unwrap();
        assert_eq!(read, "after\n");
    }

    #[test]
    fn a_reader_who_goes_away_is_noticed_without_a_line_and_counted() {
        let (lines, reader) = lines();
        drop(reader);
        until("closed", || matches!(lines.reader(), ReaderState::Closed(_)));
        assert!(!lines.put("lost") && !lines.put("lost"));
        assert_eq!(lines.counts(), (0, 2));
        assert_eq!(lines.finish(LIMIT, LIMIT, &|| {}), 0);
    }

    #[test]
    fn a_named_pipe_that_is_opened_again_is_written_to_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        let open = || std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let both = open();
        let writer = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let lines = Lines::start("test", writer.as_fd()).unwrap();
        drop(both);
        until("closed", || matches!(lines.reader(), ReaderState::Closed(_)));
        assert!(!lines.put("lost"));
        let mut again = BufReader::new(open());
        until("open again", || lines.reader() == ReaderState::Reading);
        assert_eq!(lines.take_untold(), Some(1));
        assert!(lines.put("heard"));
        let mut read = String::new();
        again.read_line(&mut read).unwrap();
        assert_eq!(read, "heard\n");
    }
}
