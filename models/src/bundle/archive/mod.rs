//! A bundle as one file, for machines that no network reaches: an uncompressed tar archive.
//!
//! The first entry is the manifest, the others are its files in its order, each a regular file of the size that the
//! manifest says. Equal bundles give equal archives: owners, modes and times are fixed. Reading takes nothing on trust:
//! an archive that differs from its own manifest in any name, order, size or digest installs nothing, nor does one with anything
//! behind its end.

mod export;
mod import;

use std::path::Path;

pub use export::{Exported, export};
pub use import::import;

use crate::ModelError;

/// Mode of every entry.
const MODE: u32 = 0o644;
/// Bytes that end a tar archive: two blocks of zeros.
const END: [u8; 1024] = [0; 1024];
/// The unit that an entry's data is filled up to.
const BLOCK: u64 = 512;
/// What a tape takes at a time: other programs fill an archive up to it with zeros.
const RECORD: u64 = 10_240;
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
