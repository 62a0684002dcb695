//! Files that are read whole: ordinary ones, each of a length that its kind can have.

use std::path::Path;

use mien_capture::regular;

use crate::{Result, TrainerError};

/// The bytes of the ordinary file at `path`, `longest` at most.
///
/// # Errors
/// Io, also for a pipe, a device, a folder and a longer file.
pub(crate) fn bytes(path: &Path, longest: u64) -> Result<Vec<u8>> {
    regular::read(path, longest).map_err(|e| TrainerError::io(path, "read", e))
}

/// As [`bytes`], for text in UTF-8.
///
/// # Errors
/// As [`bytes`], and for bytes that are no UTF-8.
pub(crate) fn text(path: &Path, longest: u64) -> Result<String> {
    let invalid = |e| std::io::Error::new(std::io::ErrorKind::InvalidData, e);
    String::from_utf8(bytes(path, longest)?).map_err(|e| TrainerError::io(path, "read", invalid(e)))
}
