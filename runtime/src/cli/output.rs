//! Writing results to stdout and errors to stderr.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write;
use std::os::fd::AsFd;
use std::panic::PanicHookInfo;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mien_runtime::RuntimeError;
use mien_runtime::steering::is_steering;
use serde_json::{Value, json};

use super::lines::{Lines, ReaderState};
use super::tui;

/// How long the end waits for a reader who takes nothing, and how long for one who takes his time.
const PATIENCE: Duration = Duration::from_millis(350);
const LONGEST: Duration = Duration::from_millis(900);

/// Why a command ends with another exit code than 0.
pub(crate) enum Failure {
    /// Still to be reported.
    Error(RuntimeError),
    /// Reported already; the exit code.
    Reported(u8),
}

impl From<RuntimeError> for Failure {
    fn from(error: RuntimeError) -> Self {
        Self::Error(error)
    }
}

/// Set once stdout's reader has gone (`| head`): the work goes on, because its exit code still tells.
static READER_GONE: AtomicBool = AtomicBool::new(false);

/// The writers of a session, which no reader may hold up.
struct Writers {
    stdout: Arc<Lines>,
    stderr: Arc<Lines>,
}

static WRITERS: OnceLock<Writers> = OnceLock::new();

/// From now on lines are queued for writers of their own, so that a reader who stalls or goes away holds nothing up: what he does not
/// take is lost and counted.
///
/// # Errors
/// [`RuntimeError::Thread`].
pub(crate) fn queue() -> Result<(), RuntimeError> {
    let stdout = Lines::start("stdout", std::io::stdout().as_fd())?;
    let stderr = Lines::start("stderr", std::io::stderr().as_fd())?;
    let _ = WRITERS.set(Writers { stdout, stderr });
    Ok(())
}

/// How the reader of stdout stands.
pub(crate) fn reader() -> ReaderState {
    WRITERS.get().map_or(ReaderState::Reading, |w| w.stdout.reader())
}

/// Lines of stdout that were lost since this was asked last, once the next line will be taken.
pub(crate) fn take_lost() -> Option<u64> {
    WRITERS.get().and_then(|w| w.stdout.take_untold())
}

/// Lines of stdout that were lost so far.
pub(crate) fn lost() -> u64 {
    WRITERS.get().map_or(0, |w| w.stdout.counts().1)
}

/// How both readers stand, for programs.
pub(crate) fn readers() -> Value {
    let told = |lines: &Lines| {
        let (waiting, lost) = lines.counts();
        let (state, reason) = match lines.reader() {
            ReaderState::Reading => ("reading", None),
            ReaderState::Stalled => ("stalled", None),
            ReaderState::Closed(reason) => ("closed", Some(reason)),
        };
        json!({ "reader": state, "reason": reason, "waiting": waiting, "lost": lost })
    };
    WRITERS.get().map_or(Value::Null, |w| json!({ "stdout": told(&w.stdout), "stderr": told(&w.stderr) }))
}

/// Waits for the readers to take what is queued, as long as they take anything; `beat` is called all the while. Once is enough: a
/// reader who was not waited for any longer is not waited for again.
pub(crate) fn finish(beat: &dyn Fn()) {
    static FINISHED: AtomicBool = AtomicBool::new(false);
    let Some(Writers { stdout, stderr }) = WRITERS.get() else { return };
    if FINISHED.swap(true, Ordering::Relaxed) {
        return;
    }
    if !READER_GONE.load(Ordering::Relaxed) {
        let left = stdout.finish(PATIENCE, LONGEST, beat) as u64 + stdout.counts().1;
        if left > 0 {
            note(&format!("mien: {left} lines were lost: nobody took them from stdout"));
        }
    }
    stderr.finish(PATIENCE / 2, LONGEST, beat);
}

/// Tells of a panic, whose thread may be one that nobody may hold up.
pub(crate) fn panicked(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed");
    let place = panic.location().map(|at| format!(" at {at}")).unwrap_or_default();
    let told = panic.payload_as_str().unwrap_or("a panic without a message");
    note(&format!("mien: the {name} thread broke down{place}: {}", shown(told)));
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        trace.to_string().lines().for_each(note);
    }
}

/// One line on stdout, for people.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    write_line(&shown(text))
}

/// Text of our own with its line ends on stdout.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    write_line(text.trim_end())
}

/// One JSON object on a line of stdout.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    match serde_json::to_string(value) {
        Ok(text) => write_line(&text),
        Err(e) => Err(RuntimeError::Write { path: PathBuf::from("stdout"), source: e.into() }.into()),
    }
}

/// From now on nothing is written to stdout: who should read it takes nothing any longer.
pub(crate) fn give_up() {
    READER_GONE.store(true, Ordering::Relaxed);
}

fn write_line(text: &str) -> Result<(), Failure> {
    if READER_GONE.load(Ordering::Relaxed) {
        return Ok(());
    }
    if let Some(writers) = WRITERS.get() {
        // What is lost is counted there.
        writers.stdout.put(text);
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => {
            READER_GONE.store(true, Ordering::Relaxed);
            Ok(())
        }
        Err(source) => Err(RuntimeError::Write { path: PathBuf::from("stdout"), source }.into()),
    }
}

/// One error on stderr: a line for people, an object for machines.
pub(crate) fn report(error: &RuntimeError, json: bool) {
    report_text(error.kind(), &error.to_string(), error.exit_code(), json);
}

/// As [`report`], for an error that is no [`RuntimeError`].
pub(crate) fn report_text(kind: &str, message: &str, exit_code: u8, json: bool) {
    if json {
        note(&serde_json::json!({ "error": { "kind": kind, "message": message, "exit_code": exit_code } }).to_string());
    } else {
        note(&format!("mien: {}", shown(message)));
    }
}

/// What a bundle says of itself, if anything: everything that was made with it says so.
pub(crate) fn warn_statement(statement: Option<&str>, json: bool) {
    if let Some(statement) = statement {
        warn(statement, json);
    }
}

/// What nobody may overlook, on stderr: a line for people, an object for machines.
pub(crate) fn warn(text: &str, json: bool) {
    if json {
        note(&serde_json::json!({ "warning": text }).to_string());
    } else {
        note(&format!("mien: WARNING: {}", shown(text)));
    }
}

/// Something worth knowing beside the results, on stderr: a line for people, an object for machines.
pub(crate) fn tell(text: &str, json: bool) {
    if json {
        note(&serde_json::json!({ "note": text }).to_string());
    } else {
        note(&format!("mien: {}", shown(text)));
    }
}

/// One line on stderr, or among the messages of the view that has the terminal. Where stderr cannot be written, nobody is
/// there to be told.
fn note(line: &str) {
    if !tui::keep(line) {
        on_stderr(line);
    }
}

/// One line on stderr.
pub(crate) fn on_stderr(line: &str) {
    let Some(Writers { stderr, .. }) = WRITERS.get() else {
        let _ = writeln!(std::io::stderr(), "{line}");
        return;
    };
    if let Some(lost) = stderr.take_untold() {
        stderr.put(&format!("mien: {lost} lines before this one were lost: nobody took them from stderr"));
    }
    stderr.put(line);
}

/// Where the log's lines go: with everything else that is said on stderr.
pub(crate) struct LogLines;

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        String::from_utf8_lossy(bytes).lines().for_each(note);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// `text` with characters that steer a terminal shown as dots: names and texts come from outside.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|c| if is_steering(c) { '·' } else { c }).collect()
}
