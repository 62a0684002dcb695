//! A barrier around libraries that parse what strangers wrote.
//!
//! The parsers of sound, films and pictures are safe Rust, but some index, add or multiply header fields without a
//! check: on a hostile file that is a panic. Here it becomes an error of the one file. The barrier needs unwinding
//! panics, which is how this workspace is built.

use std::any::Any;
use std::path::Path;

use crate::error::{CaptureError, Result};
use crate::quiet::quietly;

/// Runs `parse`, which calls `library` on the file at `path`; a panic in it becomes
/// [`CaptureError::DecoderFault`] and is not printed.
///
/// What `parse` had under its hands may be half changed after a panic: give it nothing that is used afterwards.
pub(crate) fn guarded<T>(path: &Path, library: &'static str, parse: impl FnOnce() -> Result<T>) -> Result<T> {
    quietly(parse).unwrap_or_else(|panic| {
        Err(CaptureError::DecoderFault { path: path.to_owned(), library, reason: last_words(panic.as_ref()) })
    })
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
    #![allow(clippy::panic)]

    use std::path::Path;

    use super::guarded;
    use crate::error::CaptureError;

    #[test]
    fn a_panic_becomes_an_error_and_the_next_call_works() {
        let fault = guarded::<()>(Path::new("clip.wav"), "parser", || panic!("index 7\nout of range"));
        assert!(
            matches!(&fault, Err(CaptureError::DecoderFault { library: "parser", reason, .. }) if reason == "index 7"),
            "{fault:?}"
        );
        assert!(matches!(guarded(Path::new("clip.wav"), "parser", || Ok(3)), Ok(3)));
    }
}
