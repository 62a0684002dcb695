//! A bundle's folder, opened once: its files are found in it wherever it is moved meanwhile.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::entry::{BundlePath, FileEntry};
use super::manifest::MANIFEST_NAME;
use crate::{ModelError, Result};

/// An open folder.
pub(super) struct Folder {
    path: PathBuf,
    #[cfg(unix)]
    handle: std::os::fd::OwnedFd,
}

impl Folder {
    /// Opens the folder at `path`.
    ///
    /// # Errors
    /// [`ModelError::Io`].
    pub(super) fn open(path: &Path) -> Result<Self> {
        Self::at(path).map_err(|e| ModelError::io(path, "open", e))
    }

    /// Where it stood when it was opened.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens its manifest; gives its length too.
    ///
    /// # Errors
    /// As [`Folder::file`].
    pub(super) fn manifest(&self) -> Result<(File, u64)> {
        let place = self.path.join(MANIFEST_NAME);
        self.below(MANIFEST_NAME, &place, &place)
    }

    /// Opens the file of `entry`, a regular one of the size that the manifest says, with no link on the way.
    ///
    /// # Errors
    /// [`ModelError::Io`]; [`ModelError::Manifest`] for anything but a regular file; [`ModelError::Digest`] for another size.
    pub(super) fn file(&self, entry: &FileEntry) -> Result<File> {
        let manifest = self.path.join(MANIFEST_NAME);
        let place = entry.path.within(&self.path);
        let (file, size) = match &entry.path {
            outside if outside.is_external() => external(&place, &manifest)?,
            inside => self.below(BundlePath::as_str(inside), &place, &manifest)?,
        };
        // The size first: a file cut short is told at once, without reading gigabytes.
        if size != entry.bytes {
            return Err(ModelError::Digest {
                path: place,
                what: "size in bytes",
                expected: entry.bytes.to_string(),
                found: size.to_string(),
            });
        }
        Ok(file)
    }
}

#[cfg(unix)]
impl Folder {
    fn at(path: &Path) -> std::io::Result<Self> {
        use rustix::fs::{Mode, OFlags, open};
        let handle = open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { path: path.to_owned(), handle })
    }

    /// Opens the regular file `name`, parts between slashes, each part in the folder that the part before led to.
    fn below(&self, name: &str, place: &Path, manifest: &Path) -> Result<(File, u64)> {
        use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, statat};
        use rustix::io::Errno;
        let io = |e: Errno| ModelError::io(place, "read", e.into());
        let (folders, name) = name.rsplit_once('/').map_or((None, name), |(folders, name)| (Some(folders), name));
        let mut inner = None;
        let mut walked = self.path.clone();
        for part in folders.into_iter().flat_map(|folders| folders.split('/')) {
            walked.push(part);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let next =
                openat(inner.as_ref().unwrap_or(&self.handle), part, flags, Mode::empty()).map_err(|e| match e {
                    // A linked folder on the way would lead out of the bundle as a linked file would.
                    Errno::NOTDIR | Errno::LOOP => ModelError::Manifest {
                        path: manifest.into(),
                        reason: format!("{:?}: expected a folder, found something else", walked.display().to_string()),
                    },
                    other => io(other),
                })?;
            inner = Some(next);
        }
        let folder = inner.as_ref().unwrap_or(&self.handle);
        let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(io)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => {}
            FileType::Symlink => return Err(irregular(place, manifest, "a symbolic link")),
            FileType::Directory => return Err(irregular(place, manifest, "a folder")),
            _ => return Err(irregular(place, manifest, "a device or pipe")),
        }
        // Should it be another one by now: a link is not followed, a pipe not waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        regular(File::from(openat(folder, name, flags, Mode::empty()).map_err(io)?), place, manifest)
    }
}

#[cfg(not(unix))]
impl Folder {
    fn at(path: &Path) -> std::io::Result<Self> {
        std::fs::read_dir(path)?;
        Ok(Self { path: path.to_owned() })
    }

    fn below(&self, _: &str, place: &Path, manifest: &Path) -> Result<(File, u64)> {
        external(place, manifest)
    }
}

/// Opens a file outside of the folder, which is no link either.
fn external(place: &Path, manifest: &Path) -> Result<(File, u64)> {
    let found = std::fs::symlink_metadata(place).map_err(|e| ModelError::io(place, "read", e))?;
    match (found.is_symlink(), found.is_dir(), found.is_file()) {
        (true, _, _) => Err(irregular(place, manifest, "a symbolic link")),
        (_, true, _) => Err(irregular(place, manifest, "a folder")),
        (_, _, true) => mien_capture::regular::open(place, u64::MAX).map_err(|e| ModelError::io(place, "read", e)),
        _ => Err(irregular(place, manifest, "a device or pipe")),
    }
}

#[cfg(unix)]
fn regular(file: File, place: &Path, manifest: &Path) -> Result<(File, u64)> {
    let found = file.metadata().map_err(|e| ModelError::io(place, "read", e))?;
    if found.is_file() { Ok((file, found.len())) } else { Err(irregular(place, manifest, "a device or pipe")) }
}

fn irregular(place: &Path, manifest: &Path, kind: &str) -> ModelError {
    ModelError::Manifest {
        path: manifest.into(),
        reason: format!("{:?}: expected a regular file, found {kind}", place.display().to_string()),
    }
}
