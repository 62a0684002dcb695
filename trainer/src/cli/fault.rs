//! How a command ends that does not succeed: its line on stderr and its exit code.

use std::fmt;

use mien_runtime::RuntimeError;
use mien_trainer::TrainerError;

use super::output::shown;

/// Exit code of wrong usage.
const USAGE: u8 = 2;
/// Exit code of bad input or configuration.
pub(crate) const INPUT: u8 = 3;
/// Exit code of anything else.
const OTHER: u8 = 1;

/// An end that is no library's error: its exit code, and what is said.
#[derive(Debug)]
pub(crate) struct Fault {
    code: u8,
    text: String,
}

impl Fault {
    /// Options that exclude or need each other.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { code: USAGE, text: text.into() }
    }

    /// Input that is not as it must be.
    pub(crate) fn input(text: impl Into<String>) -> Self {
        Self { code: INPUT, text: text.into() }
    }

    /// Another end.
    pub(crate) fn of_code(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Fault {}

/// The process exit code: 2 usage, 3 bad input or configuration, 4 device, 5 bundle, 1 anything else.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    let code = |cause: &(dyn std::error::Error + 'static)| {
        let fault = cause.downcast_ref::<Fault>().map(|fault| fault.code);
        let library = || cause.downcast_ref::<TrainerError>().map(TrainerError::exit_code);
        let device = || cause.downcast_ref::<RuntimeError>().map(RuntimeError::exit_code);
        fault.or_else(library).or_else(device)
    };
    error.chain().find_map(code).unwrap_or(OTHER)
}

/// The error in one line. Most errors of this project tell their cause in their own words; a cause that was told is
/// not told again.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    shown(&text)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let gone = || std::io::Error::other("gone");
        let error = anyhow::Error::from(TrainerError::io("x", "read", gone()));
        assert_eq!(told(&error).matches("gone").count(), 1, "{}", told(&error));
        let error = Err::<(), _>(gone()).context("cannot write to stdout").unwrap_err();
        assert_eq!(told(&error), "cannot write to stdout: gone");
    }

    #[test]
    fn codes_are_found_behind_what_was_said_on_the_way() {
        assert_eq!(exit_code(&Fault::usage("u").into()), 2);
        assert_eq!(exit_code(&anyhow::anyhow!("something")), 1);
        let error = Err::<(), _>(TrainerError::corpus("a", "b")).context("while importing").unwrap_err();
        assert_eq!(exit_code(&error), 3);
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(told(&Fault::input("a\u{1b}[31mb\nc").into()), "a·[31mb·c");
    }
}
