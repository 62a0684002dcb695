//! A barrier around libraries that parse what strangers wrote.
//!
//! The parsers of sound, films and pictures are safe Rust, but some index, add or multiply header fields without a
//! check: on a hostile file that is a panic. Some go round for ever, reading or not. Here both become an error of the
//! one file. The barrier needs unwinding panics, which is how this workspace is built.
//!
//! Nothing can end a thread that goes round for ever, so an overdue one is left behind. [`MAX_LEFT`] of them at most:
//! then no file is read any more, and the error says that the process must be started anew.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::error::{CaptureError, Result};
use crate::quiet::quietly;

use super::options::ReadOptions;

/// Threads that never came back, beyond which no file is read any more.
const MAX_LEFT: usize = 4;
/// The waiting is cut into so many parts, so that a process that was stopped for a while does not count that time.
const PARTS: u32 = 20;
/// Parsers recurse by the nesting of a file.
const STACK_BYTES: usize = 8 << 20;

/// Threads of this process that were left behind and have not ended since.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// States of a guarded thread: at work, done, left behind.
const AT_WORK: u8 = 0;
const DONE: u8 = 1;
const ABANDONED: u8 = 2;

/// Tells the one who waits that work goes on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    /// A step is done: a packet, a picture, a part of a header.
    pub(crate) fn step(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs `parse`, which calls `library` on the file at `path`, on a thread of its own for at most
/// [`ReadOptions::patience`].
///
/// # Errors
/// Those of `parse`; [`CaptureError::DecoderFault`] for a panic in it, which is not printed;
/// [`CaptureError::NoAnswer`] where it does not come back in time: its thread is left behind;
/// [`CaptureError::TooManyHanging`] where too many were left before.
pub(crate) fn guarded<T: Send + 'static>(
    path: &Path,
    library: &'static str,
    options: &ReadOptions,
    parse: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    guarded_steps(path, library, options, move |_| parse())
}

/// As [`guarded`], for work in many steps: the patience is for each of them.
///
/// # Errors
/// As [`guarded`].
pub(crate) fn guarded_steps<T: Send + 'static>(
    path: &Path,
    library: &'static str,
    options: &ReadOptions,
    work: impl FnOnce(&Progress) -> Result<T> + Send + 'static,
) -> Result<T> {
    let left = LEFT.load(Ordering::Acquire);
    if left >= MAX_LEFT {
        return Err(CaptureError::TooManyHanging { path: path.to_owned(), count: left });
    }
    let progress = Progress::default();
    let state = Arc::new(AtomicU8::new(AT_WORK));
    let (result, outcome) = sync_channel(1);
    let (own_path, own_progress, own_state) = (path.to_owned(), progress.clone(), Arc::clone(&state));
    let thread = move || {
        let done = contained(&own_path, library, || work(&own_progress));
        if own_state.swap(DONE, Ordering::AcqRel) == ABANDONED {
            LEFT.fetch_sub(1, Ordering::AcqRel);
        }
        // Nobody waits any more where this one was left behind.
        let _ = result.send(done);
    };
    let spawned = thread::Builder::new().name("read file".to_owned()).stack_size(STACK_BYTES).spawn(thread);
    spawned.map_err(|source| CaptureError::Io {
        path: path.to_owned(),
        action: "start a thread to read it",
        source,
    })?;

    let (mut seen, mut idle) = (0, 0);
    loop {
        match outcome.recv_timeout((options.patience / PARTS).max(Duration::from_millis(1))) {
            Ok(done) => return done,
            Err(RecvTimeoutError::Disconnected) => return Err(fault(path, library, "its thread is gone".to_owned())),
            Err(RecvTimeoutError::Timeout) => (),
        }
        let now = progress.0.load(Ordering::Relaxed);
        idle = if now == seen { idle + 1 } else { 0 };
        seen = now;
        if idle >= PARTS {
            // Counted first, so that the thread never takes off what was not added.
            LEFT.fetch_add(1, Ordering::AcqRel);
            if state.compare_exchange(AT_WORK, ABANDONED, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                let patience_s = options.patience.as_secs_f64();
                return Err(CaptureError::NoAnswer { path: path.to_owned(), library, patience_s });
            }
            LEFT.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// Runs `parse` on this thread; a panic in it becomes [`CaptureError::DecoderFault`] and is not printed. For calls that
/// cannot go round for ever, or that are within [`guarded`] already.
///
/// What `parse` had under its hands may be half changed after a panic: give it nothing that is used afterwards.
///
/// # Errors
/// Those of `parse`, and the fault.
pub(crate) fn contained<T>(path: &Path, library: &'static str, parse: impl FnOnce() -> Result<T>) -> Result<T> {
    quietly(parse).unwrap_or_else(|panic| Err(fault(path, library, last_words(panic.as_ref()))))
}

fn fault(path: &Path, library: &'static str, reason: String) -> CaptureError {
    CaptureError::DecoderFault { path: path.to_owned(), library, reason }
}

/// The message of a panic, in one line.
fn last_words(panic: &(dyn Any + Send)) -> String {
    let words = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    words.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, clippy::unwrap_used)]

    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use super::{LEFT, MAX_LEFT, contained, guarded, guarded_steps};
    use crate::error::{CaptureError, ErrorKind};
    use crate::file::ReadOptions;

    const PATH: &str = "clip.wav";

    fn options(patience: Duration) -> ReadOptions {
        ReadOptions { patience, ..ReadOptions::default() }
    }

    #[test]
    fn a_panic_becomes_an_error_and_the_next_call_works() {
        let told = |fault: Result<(), CaptureError>| {
            let told = matches!(&fault, Err(CaptureError::DecoderFault { library: "parser", reason, .. }) if reason == "index 7");
            assert!(told, "{fault:?}");
        };
        told(contained(Path::new(PATH), "parser", || panic!("index 7\nout of range")));
        told(guarded(Path::new(PATH), "parser", &ReadOptions::default(), || panic!("index 7\nout of range")));
        assert!(matches!(contained(Path::new(PATH), "parser", || Ok(3)), Ok(3)));
        assert!(matches!(guarded(Path::new(PATH), "parser", &ReadOptions::default(), || Ok(3)), Ok(3)));
    }

    #[test]
    fn steps_make_time() {
        let done = guarded_steps(Path::new(PATH), "parser", &options(Duration::from_millis(400)), |progress| {
            for _ in 0..20 {
                sleep(Duration::from_millis(50));
                progress.step();
            }
            Ok(7)
        });
        assert!(matches!(done, Ok(7)));
    }

    /// Endless work is left behind, too much of it ends the reading of files, and what ends after all counts no more.
    #[test]
    fn endless_work_is_left_behind_and_counted() {
        static GO_ON: AtomicBool = AtomicBool::new(true);
        let endless = || {
            guarded(Path::new(PATH), "parser", &options(Duration::from_millis(60)), || {
                while GO_ON.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
                Ok(())
            })
        };
        for _ in 0..MAX_LEFT {
            let error = endless().unwrap_err();
            assert!(matches!(error, CaptureError::NoAnswer { library: "parser", .. }), "{error}");
        }
        let error = endless().unwrap_err();
        assert!(matches!(error, CaptureError::TooManyHanging { count: MAX_LEFT, .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Restart);
        GO_ON.store(false, Ordering::Relaxed);
        let start = Instant::now();
        while LEFT.load(Ordering::Acquire) > 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "threads that ended still count");
            sleep(Duration::from_millis(5));
        }
        assert!(endless().is_ok());
    }
}
