//! A whole file as read-only memory.
#![allow(unsafe_code)]

use std::ops::Deref;
use std::path::Path;

use mien_capture::regular;

use crate::{ModelError, Result};

/// Largest file that is mapped: no address space of a machine holds more, and no checkpoint comes near.
const LARGEST: u64 = 4 << 40;

/// A read-only map of a whole file; pages are read when they are touched and are shared with other processes.
///
/// The file must not be changed in place while it is mapped; replace it by renaming.
#[derive(Debug)]
pub struct FileMap {
    map: memmap2::Mmap,
}

impl FileMap {
    /// Maps the file at `path`.
    ///
    /// # Errors
    /// Io when it cannot be opened or mapped (a folder, a pipe).
    pub fn open(path: &Path) -> Result<Self> {
        let (file, _) = regular::open(path, LARGEST).map_err(|e| ModelError::io(path, "read", e))?;
        // SAFETY: the map is sound as long as nobody changes or truncates the file while it is mapped. Weight files
        // are immutable by convention: bundles and converted checkpoints are installed by renaming a finished file
        // into place and are never written again, so a replacement leaves the mapped inode as it is. A user who
        // truncates a mapped file by hand gets a bus error from the system, not memory corruption.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| ModelError::io(path, "map", e))?;
        Ok(Self { map })
    }
}

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}
