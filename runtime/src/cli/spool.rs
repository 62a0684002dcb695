//! Standard input as a file: recordings are read back and forth.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use mien_runtime::RuntimeError;

/// The most that is taken in, in bytes.
const MAX_BYTES: u64 = 2 << 30;

/// What stood on standard input, in a file without a name: nothing is left of it, however this process ends.
pub(crate) struct Spool {
    /// Holds the file.
    _file: File,
    path: PathBuf,
}

impl Spool {
    /// Whether `file` means standard input.
    pub(crate) fn is_meant(file: &Path) -> bool {
        file.as_os_str() == "-"
    }

    /// Reads standard input to its end.
    ///
    /// # Errors
    /// [`RuntimeError::Request`] for a terminal, for too much, and where the system has no names for open files;
    /// [`RuntimeError::Write`] where there is no room for it.
    pub(crate) fn fill() -> mien_runtime::Result<Self> {
        let refused = |reason: &str| RuntimeError::Request { what: "standard input".into(), reason: reason.into() };
        let stdin = io::stdin().lock();
        if stdin.is_terminal() {
            return Err(refused(
                "is a terminal, expected a recording; give a file, or a pipe: arecord -f S16_LE -r 16000 -d 10 | mien score -",
            ));
        }
        let folder = std::env::temp_dir();
        let unwritten = |source| RuntimeError::Write { path: folder.clone(), source };
        let mut file = tempfile::tempfile().map_err(unwritten)?;
        let count = io::copy(&mut stdin.take(MAX_BYTES + 1), &mut file).map_err(unwritten)?;
        if count > MAX_BYTES {
            return Err(refused(&format!("holds more than {MAX_BYTES} bytes; write it to a file and give that")));
        }
        Self::of(file).ok_or_else(|| refused("cannot be read on this system; write it to a file and give that"))
    }

    /// The file under a name that can be opened again.
    #[cfg(target_os = "linux")]
    fn of(file: File) -> Option<Self> {
        use std::os::fd::AsRawFd;
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        path.exists().then_some(Self { _file: file, path })
    }

    #[cfg(not(target_os = "linux"))]
    fn of(_file: File) -> Option<Self> {
        None
    }

    /// What opens it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
