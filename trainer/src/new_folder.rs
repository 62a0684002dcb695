//! A folder that appears whole or not at all: made beside its place and renamed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use mien_models::WorkFolder;

use crate::{Result, TrainerError};

/// A folder in the making, removed unless [`NewFolder::finish`] is reached. What a killed process leaves, a folder
/// `.NAME.partial-*` that nothing reads, goes when the next one for the place is begun.
#[derive(Debug)]
pub(crate) struct NewFolder {
    target: PathBuf,
    folder: WorkFolder,
    refuse: fn(&Path, String) -> TrainerError,
}

impl NewFolder {
    /// Starts a folder that will stand at `target`. `refuse` makes the error of whoever wants it.
    ///
    /// # Errors
    /// That of `refuse` where something stands there already; Io when the folder beside it cannot be made.
    pub(crate) fn create(target: &Path, refuse: fn(&Path, String) -> TrainerError) -> Result<Self> {
        let target = std::path::absolute(target).map_err(|e| TrainerError::io(target, "find", e))?;
        let (Some(parent), Some(_)) = (target.parent(), target.file_name()) else {
            return Err(refuse(&target, "expected a folder's name".into()));
        };
        if target.symlink_metadata().is_ok() {
            let reason = "something stands there already; remove it or choose another name";
            return Err(refuse(&target, reason.into()));
        }
        fs::create_dir_all(parent).map_err(|e| TrainerError::io(parent, "create", e))?;
        let folder = WorkFolder::beside(&target).map_err(|e| TrainerError::io(parent, "create a folder in", e))?;
        Ok(Self { target, folder, refuse })
    }

    /// Where its files are written.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where it will stand.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Writes a file and brings it to the disk.
    ///
    /// # Errors
    /// Io.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path().join(name);
        let mut file = File::create_new(&path).map_err(|e| TrainerError::io(&path, "create", e))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| TrainerError::io(&path, "write", e))
    }

    /// Puts the folder in its place.
    ///
    /// # Errors
    /// Io, or that of `refuse`; nothing of it stands at the target then.
    pub(crate) fn finish(self) -> Result<()> {
        let Self { target, folder, refuse } = self;
        sync(folder.path())?;
        // Nothing stood there at the beginning; an empty folder that came since would be replaced, anything else
        // refuses.
        if target.symlink_metadata().is_ok() {
            let reason = "something was put there while it was being written; choose another name";
            return Err(refuse(&target, reason.into()));
        }
        fs::rename(folder.path(), &target).map_err(|e| TrainerError::io(&target, "rename into place", e))?;
        // The folder has moved: there is nothing left to remove.
        let _ = folder.keep();
        match target.parent() {
            Some(parent) => sync(parent),
            None => Ok(()),
        }
    }
}

/// Brings a folder's entries to the disk.
fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|e| TrainerError::io(path, "write", e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse(path: &Path, reason: String) -> TrainerError {
        TrainerError::Report { path: path.to_owned(), reason }
    }

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let entries = || fs::read_dir(place.path()).unwrap().count();
        let target = place.path().join("a/report");
        let new = NewFolder::create(&target, refuse).unwrap();
        new.write("page", b"text").unwrap();
        assert!(!target.exists());
        new.finish().unwrap();
        assert_eq!(fs::read(target.join("page")).unwrap(), b"text");
        // What stands there is left as it is.
        assert!(NewFolder::create(&target, refuse).unwrap_err().to_string().contains("stands there already"));
        // What is given up leaves nothing.
        drop(NewFolder::create(&place.path().join("b"), refuse).unwrap());
        assert_eq!(entries(), 1);
        // What came meanwhile is not replaced.
        let late = NewFolder::create(&place.path().join("c"), refuse).unwrap();
        fs::create_dir(place.path().join("c")).unwrap();
        assert!(late.finish().unwrap_err().to_string().contains("while it was being written"));
        assert_eq!(fs::read_dir(place.path().join("c")).unwrap().count(), 0);
        assert_eq!(entries(), 2);
    }
}
