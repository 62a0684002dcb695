//! Making a bundle's folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::digest::Sha256;
use super::entry::{BundlePath, FileEntry, Role};
use super::manifest::{MANIFEST_NAME, Manifest};
use super::place::{check_apart, install, previous, refused, standing};
use crate::work_folder::WorkFolder;
use crate::{ModelError, Result};

/// A bundle in the making: a folder beside the place where it will stand.
///
/// Nothing appears at that place before [`BundleWriter::finish`]; a writer that is dropped removes its folder. What a killed
/// process leaves, a folder `.NAME.partial-*` that nothing reads, goes when the next writer for the place is created.
pub struct BundleWriter {
    target: PathBuf,
    folder: WorkFolder,
    files: Vec<FileEntry>,
}

/// Under which terms a file may be passed on, and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// SPDX name of the licence, or a few words.
    pub licence: &'a str,
    /// Where it comes from.
    pub source: &'a str,
}

impl BundleWriter {
    /// Starts a bundle that will stand at `target`.
    ///
    /// # Errors
    /// [`ModelError::Config`] for a target that has no name, that is the current folder or holds it, or where something
    /// else than a bundle stands, under its own name or under `NAME.previous`; [`ModelError::Io`] when the folder beside
    /// it cannot be made.
    pub fn create(target: &Path) -> Result<Self> {
        let target = std::path::absolute(target).map_err(|e| ModelError::io(target, "find", e))?;
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(refused(&target, "expected a folder's name"));
        };
        if let Ok(current) = std::env::current_dir() {
            check_apart(&target, &current)?;
        }
        standing(&target)?;
        standing(&previous(&target, name))?;
        fs::create_dir_all(parent).map_err(|e| ModelError::io(parent, "create", e))?;
        let folder = WorkFolder::beside(&target).map_err(|e| ModelError::io(parent, "create a folder in", e))?;
        Ok(Self { target, folder, files: Vec::new() })
    }

    /// The folder into which files are written before they are added.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Adds the file `path`, already written into [`BundleWriter::folder`]. It must not be changed any more.
    ///
    /// # Errors
    /// [`ModelError::Config`] for a path that no manifest may hold, [`ModelError::Io`].
    pub fn add(&mut self, role: Role, path: &str, origin: Origin<'_>) -> Result<()> {
        let path = BundlePath::try_from(path.to_owned()).map_err(|reason| self.refuse(reason))?;
        let place = path.within(self.folder());
        self.list(role, path, &place, origin)
    }

    /// Writes `bytes` to `path` in the folder and adds them.
    ///
    /// # Errors
    /// As [`BundleWriter::add`].
    pub fn add_bytes(&mut self, role: Role, path: &str, bytes: &[u8], origin: Origin<'_>) -> Result<()> {
        let name = BundlePath::try_from(path.to_owned()).map_err(|reason| self.refuse(reason))?;
        let place = name.within(self.folder());
        if name.is_external() {
            return Err(self.refuse(format!("path: expected one below the bundle's folder, found {path:?}")));
        }
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(|e| ModelError::io(parent, "create", e))?;
        }
        fs::write(&place, bytes).map_err(|e| ModelError::io(&place, "write", e))?;
        self.list(role, name, &place, origin)
    }

    /// Files added so far.
    #[must_use]
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// Writes the manifest with the added files, brings everything to the disk, and puts the bundle in its place.
    ///
    /// A bundle that stands there is kept as `NAME.previous`, in place of an earlier one of that name. Both names are exchanged
    /// at once, so a whole bundle stands at the target at every moment. Where a file system cannot exchange names, no bundle
    /// stands there for a moment; should the program be killed in it, [`super::Bundle::open`] opens the one that was kept.
    ///
    /// # Errors
    /// [`ModelError::Manifest`] for a manifest that [`super::Bundle::open`] would refuse; [`ModelError::Io`]. The target is then
    /// as it was before.
    pub fn finish(mut self, manifest: Manifest) -> Result<()> {
        let manifest = Manifest { files: std::mem::take(&mut self.files), ..manifest };
        let text = manifest.to_toml(&self.target.join(MANIFEST_NAME))?;
        self.finish_with(manifest, &text)
    }

    /// Adds a file that was written into the folder and held against `entry` on the way.
    pub(super) fn list_verified(&mut self, entry: FileEntry) {
        self.files.push(entry);
    }

    /// As [`BundleWriter::finish`], with the manifest as it was written elsewhere, byte for byte: its digest names the
    /// bundle.
    ///
    /// # Errors
    /// As [`BundleWriter::finish`].
    pub(super) fn finish_with(self, manifest: Manifest, text: &str) -> Result<()> {
        let Self { target, folder, .. } = self;
        let path = folder.path().join(MANIFEST_NAME);
        // What is written must be what is read.
        if Manifest::parse(text, &path)? != manifest {
            return Err(ModelError::Manifest {
                path: target.join(MANIFEST_NAME),
                reason: "a value does not survive being written as TOML".into(),
            });
        }
        for file in manifest.files.iter().filter(|file| !file.path.is_external()) {
            sync(&file.path.within(folder.path()))?;
        }
        fs::write(&path, text).map_err(|e| ModelError::io(&path, "write", e))?;
        sync(&path)?;
        make_readable(folder.path())?;
        sync_folders(folder.path())?;
        install(folder, &target)
    }

    fn list(&mut self, role: Role, path: BundlePath, place: &Path, origin: Origin<'_>) -> Result<()> {
        let (bytes, sha256) = Sha256::of_file(place)?;
        let (licence, source) = (origin.licence.into(), origin.source.into());
        self.files.push(FileEntry { role, path, sha256, bytes, licence, source });
        Ok(())
    }

    fn refuse(&self, reason: String) -> ModelError {
        ModelError::Config { what: format!("bundle {}", self.target.display()), reason }
    }
}

fn sync(path: &Path) -> Result<()> {
    let file = fs::File::open(path).map_err(|e| ModelError::io(path, "open", e))?;
    file.sync_all().map_err(|e| ModelError::io(path, "write", e))
}

/// Lets other users read the folder, as they can read its files; temporary folders are private.
fn make_readable(folder: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let readable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder, readable).map_err(|e| ModelError::io(folder, "set permissions of", e))?;
    }
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Brings the names in `folder` and in the folders below it to the disk.
fn sync_folders(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|e| ModelError::io(folder, "list", e))? {
        let path = entry.map_err(|e| ModelError::io(folder, "list", e))?.path();
        if path.is_dir() {
            sync_folders(&path)?;
        }
    }
    sync_folder(folder)
}

pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    // Other systems cannot open a folder as a file, and order names by themselves.
    if cfg!(unix) { sync(folder) } else { Ok(()) }
}
