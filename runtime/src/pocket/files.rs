//! Files in the program, and their way to a disk.

use std::fs;
use std::path::Path;

use crate::{Result, RuntimeError};

/// A file in the program.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedFile {
    /// Its path in the folder that it was taken from, with `/` between names.
    pub path: &'static str,
    /// What it holds.
    pub bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/pocket_files.rs"));

/// Writes `files` below `folder`, and the folders that they lie in.
///
/// # Errors
/// [`RuntimeError::Write`] naming the file.
pub fn unpack(files: &[EmbeddedFile], folder: &Path) -> Result<()> {
    for file in files {
        let path = folder.join(file.path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, file.bytes))
            .map_err(|source| RuntimeError::Write { path, source })?;
    }
    Ok(())
}
