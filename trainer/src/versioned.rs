//! Small TOML files that tell the version of their keys.

use std::io::ErrorKind;
use std::path::Path;

use mien_capture::{one_line, regular};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::{Result, TrainerError};

/// A kind of file.
pub(crate) struct Kind {
    /// Version of the keys that this program reads.
    pub(crate) schema: u32,
    /// Longest file that is read, in bytes.
    pub(crate) longest: u64,
    /// What to ask or do where a file is not of the kind.
    pub(crate) foreign: &'static str,
    /// What to do where it has another version.
    pub(crate) outdated: &'static str,
}

/// The key that every version has.
#[derive(Deserialize)]
struct Version {
    schema: u32,
}

/// Reads the file at `path`; `None` where there is none.
///
/// # Errors
/// Io; what `refuse` makes of the reason where the file is too long, of another version or of another kind.
pub(crate) fn read<T: DeserializeOwned>(
    path: &Path,
    kind: &Kind,
    refuse: impl Fn(String) -> TrainerError,
) -> Result<Option<T>> {
    let Kind { schema: known, longest, foreign, outdated } = *kind;
    let Some(text) = text(path, longest, &refuse)? else { return Ok(None) };
    let reason = |e: toml::de::Error| refuse(format!("{}; {foreign}", one_line(e.message())));
    // Before the rest: keys of another version are not these.
    let Version { schema } = toml::from_str(&text).map_err(reason)?;
    if schema != known {
        return Err(refuse(format!("it has schema {schema}, this program reads {known}; {outdated}")));
    }
    toml::from_str(&text).map(Some).map_err(reason)
}

/// The text of the file at `path`; `None` where there is none.
///
/// # Errors
/// Io; what `refuse` makes of the reason where it is no file, or longer than `longest` bytes.
pub(crate) fn text(path: &Path, longest: u64, refuse: impl Fn(String) -> TrainerError) -> Result<Option<String>> {
    let failed = |e| TrainerError::io(path, "read", e);
    match regular::read(path, longest) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::FileTooLarge) => Err(refuse(e.to_string())),
        Err(e) => Err(failed(e)),
        Ok(bytes) => {
            let invalid = |e| failed(std::io::Error::new(ErrorKind::InvalidData, e));
            String::from_utf8(bytes).map(Some).map_err(invalid)
        }
    }
}
