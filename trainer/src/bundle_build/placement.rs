//! How a bundle in the making gets at files that are there already.

use std::fs;
use std::path::Path;

use crate::{Result, TrainerError};

/// How a bundle gets at the language model's gigabytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// A second name of the same file where the file system can give one, else a copy.
    #[default]
    Link,
    /// A copy.
    Copy,
    /// The file stays where it is and the bundle names it by its absolute path and digest.
    Outside,
}

/// Puts the file `from` at `to` as well, as a second name where it is to be `linked` and the file system can give one, else
/// as a copy: whether it is a second name.
///
/// # Errors
/// Io.
pub(super) fn put(from: &Path, to: &Path, linked: bool) -> Result<bool> {
    if linked && fs::hard_link(from, to).is_ok() {
        return Ok(true);
    }
    fs::copy(from, to).map_err(|e| TrainerError::io(to, "write", e))?;
    Ok(false)
}
