//! Files that appear under their name whole or not at all.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::work_folder::{Kind, is_at, sweep};
use crate::{ModelError, Result};

/// Times that a temporary name is tried; only a sweep at the same moment makes one fail.
const TRIES: usize = 16;

/// A file being written beside its place, under a temporary name; it is removed unless [`NewFile::publish`] is reached. What
/// killed writers of the same file left is removed by the next one.
pub(crate) struct NewFile {
    path: PathBuf,
    out: BufWriter<NamedTempFile>,
}

impl NewFile {
    /// Starts the file that is to appear as `path`.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the folder cannot be written.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let prefix = format!(".{name}.writing-");
        sweep(folder, &prefix, Kind::File);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Like any newly made file: the umask takes away what the user does not want.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        for _ in 0..TRIES {
            let file = builder.tempfile_in(folder).map_err(|e| ModelError::io(path, "create", e))?;
            // A lock says that the writer lives. Between making and lock a sweep may take the file away.
            if cfg!(unix)
                && (file.as_file().try_lock().is_err_and(|e| matches!(e, std::fs::TryLockError::WouldBlock))
                    || !is_at(file.as_file(), file.path()))
            {
                continue;
            }
            return Ok(Self { path: path.to_owned(), out: BufWriter::with_capacity(1 << 20, file) });
        }
        let busy = std::io::Error::other("other programs take away each file that is made there");
        Err(ModelError::io(path, "create", busy))
    }

    /// Where the file lies until it is published; another writer may fill it there, in place of this one.
    pub(crate) fn place(&self) -> &Path {
        self.out.get_ref().path()
    }

    /// Brings the content to the disk and gives the file its name. A map of an older file there stays valid.
    ///
    /// # Errors
    /// [`ModelError::Io`]; what stood at the path is then as it was.
    pub(crate) fn publish(self) -> Result<()> {
        let Self { path, out } = self;
        let file = out.into_inner().map_err(|e| ModelError::io(&path, "write", e.into_error()))?;
        file.as_file().sync_all().map_err(|e| ModelError::io(&path, "write", e))?;
        file.persist(&path).map_err(|e| ModelError::io(&path, "rename into place", e.error))?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Other systems cannot open a folder as a file, and order names by themselves.
        if cfg!(unix) {
            let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(|e| ModelError::io(&path, "write", e))?;
        }
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
