//! A bundle as one file, for machines that no network reaches: an uncompressed tar archive.
//!
//! The first entry is the manifest, the others are its files in its order, each a regular file of the size that the
//! manifest says. Equal bundles give equal archives: owners, modes and times are fixed. Reading takes nothing on trust:
//! an archive that differs from its own manifest in any name, order, size or digest installs nothing.

mod export;
mod import;

use std::path::Path;

pub use export::{Exported, export};
pub use import::import;

use crate::ModelError;

/// Mode of every entry.
const MODE: u32 = 0o644;
/// The format's name in messages.
const FORMAT: &str = "bundle archive";

fn refused(path: &Path, reason: impl Into<String>) -> ModelError {
    ModelError::Format {
        path: path.into(),
        format: FORMAT,
        reason: reason.into(),
        fix: "copy it again, or make it anew with `mien bundle export`",
    }
}
