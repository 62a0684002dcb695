//! Files and folders that appear whole or not at all: written on a desk of their own, then renamed into place.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::{Result, TrainerError};

const LOCK: &str = "lock";
/// Begin of the name of what is being written.
const WRITING: &str = ".writing-";

/// A folder on the file system of what is written there.
#[derive(Debug)]
pub(crate) struct Desk {
    folder: PathBuf,
    /// Held until the desk is dropped; the system lets go of it when the program is killed.
    _lock: Option<File>,
}

impl Desk {
    /// A desk in `folder`, which several processes may use at once: each writes files of its own.
    ///
    /// # Errors
    /// Io.
    pub(crate) fn shared(folder: PathBuf) -> Result<Self> {
        create(&folder)?;
        Ok(Self { folder, _lock: None })
    }

    /// A desk in `folder` for this process alone; what a killed one left half-written is removed. On a file system that
    /// has no locks two processes do the same work twice, each with files of its own.
    ///
    /// # Errors
    /// What `busy` makes of the lock's path while another process holds it; Io.
    pub(crate) fn alone(folder: PathBuf, busy: impl FnOnce(PathBuf) -> TrainerError) -> Result<Self> {
        create(&folder)?;
        let path = folder.join(LOCK);
        let file = File::create(&path).map_err(|e| TrainerError::io(&path, "create", e))?;
        let lock = match file.try_lock() {
            Ok(()) => Some(file),
            Err(TryLockError::WouldBlock) => return Err(busy(path)),
            Err(TryLockError::Error(_)) => None,
        };
        if lock.is_some() {
            sweep(&folder)?;
        }
        Ok(Self { folder, _lock: lock })
    }

    /// Writes a file that appears at `path` whole or not at all, in the place of one that stands there.
    ///
    /// # Errors
    /// Io, as when the disk is full.
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let file = self.written(path, bytes)?;
        file.persist(path).map_err(|e| TrainerError::io(path, "rename into place", e.error))?;
        Ok(())
    }

    /// As [`Desk::put`], but a file that stands there already stays.
    ///
    /// # Errors
    /// Io.
    pub(crate) fn put_first(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        match self.written(path, bytes)?.persist_noclobber(path) {
            Err(e) if e.error.kind() != ErrorKind::AlreadyExists => {
                Err(TrainerError::io(path, "rename into place", e.error))
            }
            _ => Ok(()),
        }
    }

    /// Writes a folder with `files`, which appears at `path` with all of them or not at all, in the place of one that
    /// stands there. The files are not brought to the disk one by one: whoever relies on them holds digests against
    /// them.
    ///
    /// # Errors
    /// Io.
    pub(crate) fn put_folder(&self, path: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(WRITING);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Like any newly made folder: the umask takes away what the user does not want.
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        let folder = builder.tempdir_in(&self.folder).map_err(|e| TrainerError::io(path, "create", e))?;
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).map_err(|e| TrainerError::io(path.join(name), "write", e))?;
        }
        match fs::remove_dir_all(path) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(TrainerError::io(path, "remove", e)),
            _ => {}
        }
        fs::rename(folder.path(), path).map_err(|e| TrainerError::io(path, "rename into place", e))?;
        // The folder has moved: there is nothing left to remove.
        let _ = folder.keep();
        Ok(())
    }

    fn written(&self, path: &Path, bytes: &[u8]) -> Result<tempfile::NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(WRITING);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Like any newly made file: the umask takes away what the user does not want.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let mut file = builder.tempfile_in(&self.folder).map_err(|e| TrainerError::io(path, "create", e))?;
        let written = file.write_all(bytes).and_then(|()| file.as_file().sync_all());
        written.map_err(|e| TrainerError::io(path, "write", e))?;
        Ok(file)
    }
}

/// Makes a folder and those above it.
///
/// # Errors
/// Io.
pub(crate) fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| TrainerError::io(folder, "create", e))
}

/// Removes a file if there is one.
///
/// # Errors
/// Io.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(TrainerError::io(path, "remove", e)),
        _ => Ok(()),
    }
}

/// Removes what a killed process left half-written.
fn sweep(desk: &Path) -> Result<()> {
    for entry in fs::read_dir(desk).map_err(|e| TrainerError::io(desk, "read", e))? {
        let entry = entry.map_err(|e| TrainerError::io(desk, "read", e))?;
        if entry.file_name().to_string_lossy().starts_with(WRITING) {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                fs::remove_dir_all(&path).map_err(|e| TrainerError::io(&path, "remove", e))?;
            } else {
                remove(&path)?;
            }
        }
    }
    Ok(())
}
