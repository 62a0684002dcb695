//! Writing results to stdout and errors to stderr.

use std::io::Write;
use std::path::PathBuf;

use mien_runtime::RuntimeError;

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

/// One line on stdout. A reader that has gone away (`| head`) ends the command quietly, as it does other tools.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::Reported(0)),
        Err(source) => Err(RuntimeError::Write { path: PathBuf::from("stdout"), source }.into()),
    }
}

/// One JSON object on a line of stdout.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    match serde_json::to_string(value) {
        Ok(text) => line(&text),
        Err(e) => Err(RuntimeError::Write { path: PathBuf::from("stdout"), source: e.into() }.into()),
    }
}

/// One error on stderr: a line for people, an object for machines.
#[allow(clippy::print_stderr)]
pub(crate) fn report(error: &RuntimeError, json: bool) {
    let message = error.to_string().replace(['\n', '\r'], " ");
    if json {
        let object = serde_json::json!({
            "error": { "kind": error.kind(), "message": message, "exit_code": error.exit_code() }
        });
        eprintln!("{object}");
    } else {
        eprintln!("mien: {message}");
    }
}

/// One line on stderr for people.
#[allow(clippy::print_stderr)]
pub(crate) fn remark(text: &str) {
    eprintln!("mien: {text}");
}
