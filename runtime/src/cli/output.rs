//! Writing results to stdout and errors to stderr.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use mien_runtime::RuntimeError;
use mien_runtime::steering::is_steering;

use super::tui;

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

/// Whether nobody reads stdout any longer.
pub(crate) fn reader_gone() -> bool {
    READER_GONE.load(Ordering::Relaxed)
}

/// From now on nothing is written to stdout: who should read it takes nothing any longer.
pub(crate) fn give_up() {
    READER_GONE.store(true, Ordering::Relaxed);
}

fn write_line(text: &str) -> Result<(), Failure> {
    if READER_GONE.load(Ordering::Relaxed) {
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
        let _ = writeln!(std::io::stderr(), "{line}");
    }
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
