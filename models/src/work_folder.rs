//! Folders and files that a program works in before they get their name, and what killed programs left of them.
//!
//! A living writer holds an exclusive lock (`flock`) on its folder. Whoever works in the same place next takes away every one
//! that can be locked: nobody holds it any more. Where a file system has no such locks, nothing is taken away.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Letters of chance at the end of a name.
const LETTERS: usize = 6;
/// Times that a name is tried; only a sweep at the same moment makes one fail.
const TRIES: usize = 16;

/// A folder of one's own, removed when dropped unless it is kept.
#[derive(Debug)]
pub struct WorkFolder {
    // Before the lock, so that it is gone when the lock is.
    folder: TempDir,
    _lock: Option<File>,
}

impl WorkFolder {
    /// A folder `.NAME.partial-*` beside `target`, as other users may read what `target` will be. What killed writers of the
    /// same target left is removed.
    ///
    /// # Errors
    /// The system's.
    pub fn beside(target: &Path) -> io::Result<Self> {
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it has no name"));
        };
        Self::create(parent, &format!(".{}.partial-", name.to_string_lossy()), 0o777)
    }

    /// A private folder whose name begins with `prefix` in `parent`, an empty path being the current folder. Folders of that
    /// name that killed programs left are removed.
    ///
    /// # Errors
    /// The system's.
    pub fn private(parent: &Path, prefix: &str) -> io::Result<Self> {
        Self::create(if parent.as_os_str().is_empty() { Path::new(".") } else { parent }, prefix, 0o700)
    }

    fn create(parent: &Path, prefix: &str, mode: u32) -> io::Result<Self> {
        sweep(parent, prefix, Kind::Folder);
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix).rand_bytes(LETTERS);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // The umask takes away what the user does not want.
            builder.permissions(fs::Permissions::from_mode(mode));
        }
        #[cfg(not(unix))]
        let _ = mode;
        for _ in 0..TRIES {
            let folder = builder.tempdir_in(parent)?;
            // Between its making and its lock a sweep may take it away.
            if let Some(_lock) = lock(folder.path())? {
                return Ok(Self { folder, _lock });
            }
        }
        Err(io::Error::other("other programs take away each folder that is made there"))
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves what lies there as it is.
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

/// Locks what was just made at `path`: `None` where a sweep was faster; `Some(None)` where there are no locks.
fn lock(path: &Path) -> io::Result<Option<Option<File>>> {
    if !cfg!(unix) {
        return Ok(Some(None));
    }
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    match file.try_lock() {
        Ok(()) => Ok(is_at(&file, path).then_some(Some(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(_)) => Ok(Some(None)),
    }
}

/// Whether the open `file` is the one that stands at `path`.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (Ok(open), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
        (open.dev(), open.ino()) == (there.dev(), there.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

/// What is swept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    File,
}

/// Removes what killed programs left in `parent` under names that begin with `prefix`. What cannot be looked at or removed is
/// left: it is not needed.
pub(crate) fn sweep(parent: &Path, prefix: &str, kind: Kind) {
    if !cfg!(unix) {
        return;
    }
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(prefix));
        let ours = rest.is_some_and(|rest| rest.len() == LETTERS && rest.bytes().all(|b| b.is_ascii_alphanumeric()));
        let fits = |found: fs::FileType| match kind {
            Kind::Folder => found.is_dir(),
            Kind::File => found.is_file(),
        };
        if !ours || !entry.file_type().is_ok_and(fits) {
            continue;
        }
        let path = entry.path();
        let Ok(file) = File::open(&path) else { continue };
        if file.try_lock().is_err() || !is_at(&file, &path) {
            continue;
        }
        let removed = match kind {
            Kind::Folder => fs::remove_dir_all(&path),
            Kind::File => fs::remove_file(&path),
        };
        match removed {
            Ok(()) => log::info!("{}: removed; a program that was ended left it", path.display()),
            Err(e) => log::warn!("{}: cannot remove what a program that was ended left: {e}", path.display()),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn what_a_killed_writer_left_goes_and_what_a_living_one_has_stays() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("bundle");
        // A killed one: no lock is held.
        let dead = place.path().join(".bundle.partial-abc123");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("weights"), "many").unwrap();
        // Of another target, and somebody's own.
        for other in [".other.partial-abc123", ".bundle.partial-", ".bundle.partial-my notes"] {
            fs::create_dir(place.path().join(other)).unwrap();
        }
        let living = WorkFolder::beside(&target).unwrap();
        assert!(!dead.exists());
        let another = WorkFolder::beside(&target).unwrap();
        assert!(living.path().exists() && another.path().exists());
        assert_eq!(count(place.path()), 5);
        let kept = another.keep();
        drop(living);
        assert_eq!(count(place.path()), 4);
        drop(WorkFolder::beside(&target).unwrap());
        assert!(!kept.exists());
        assert_eq!(count(place.path()), 3);
    }

    #[test]
    fn writers_that_come_and_go_at_once_never_lose_a_folder() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("bundle");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let folder = WorkFolder::beside(&target).unwrap();
                        fs::write(folder.path().join("a"), "b").unwrap();
                        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"b");
                    }
                });
            }
        });
        assert_eq!(count(place.path()), 0);
    }
}
