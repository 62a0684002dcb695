//! Files that appear under their name whole or not at all.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::{ModelError, Result};

/// A file being written beside its place, under a temporary name; it is removed unless [`NewFile::publish`] is reached.
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
        let mut builder = tempfile::Builder::new();
        builder.prefix(".writing-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Like any newly made file: the umask takes away what the user does not want.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder).map_err(|e| ModelError::io(path, "create", e))?;
        Ok(Self { path: path.to_owned(), out: BufWriter::with_capacity(1 << 20, file) })
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
