//! Making a bundle's folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::digest::Sha256;
use super::entry::{BundlePath, FileEntry, Role};
use super::manifest::{MANIFEST_NAME, Manifest};
use crate::{ModelError, Result};

/// A bundle in the making: a folder beside the place where it will stand.
///
/// Nothing appears at that place before [`BundleWriter::finish`]; a writer that is dropped removes its folder. A killed
/// process leaves a folder `.NAME.partial-*` behind, which nothing reads.
pub struct BundleWriter {
    target: PathBuf,
    folder: tempfile::TempDir,
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
    /// [`ModelError::Config`] for a target that has no name or where something else than a bundle stands;
    /// [`ModelError::Io`] when the folder beside it cannot be made.
    pub fn create(target: &Path) -> Result<Self> {
        let target = std::path::absolute(target).map_err(|e| ModelError::io(target, "find", e))?;
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(refused(&target, "expected a folder's name"));
        };
        check_replaceable(&target)?;
        fs::create_dir_all(parent).map_err(|e| ModelError::io(parent, "create", e))?;
        let folder = tempfile::Builder::new()
            .prefix(&format!(".{}.partial-", name.to_string_lossy()))
            .tempdir_in(parent)
            .map_err(|e| ModelError::io(parent, "create a folder in", e))?;
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
    /// A bundle that stands there is kept as `NAME.previous`, in place of an earlier one of that name. Each step is one
    /// renaming, so no name ever leads to half a bundle; between the two renamings no bundle stands at the target, and
    /// [`super::Bundle::open`] then says where the one before is.
    ///
    /// # Errors
    /// [`ModelError::Manifest`] for a manifest that [`super::Bundle::open`] would refuse; [`ModelError::Io`]. The target is then
    /// as it was before.
    pub fn finish(self, manifest: Manifest) -> Result<()> {
        let Self { target, folder, files } = self;
        let path = folder.path().join(MANIFEST_NAME);
        let manifest = Manifest { files, ..manifest };
        let text = manifest.to_toml(&target.join(MANIFEST_NAME))?;
        // What is written must be what is read.
        if Manifest::parse(&text, &path)? != manifest {
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
        replace(folder, &target)
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

/// Where the bundle that stood at `target` is kept.
pub(super) fn previous(target: &Path) -> Option<PathBuf> {
    let mut name = target.file_name()?.to_owned();
    name.push(".previous");
    Some(target.with_file_name(name))
}

/// Only a bundle or an empty folder may be replaced: a mistyped path must not move somebody's files away.
fn check_replaceable(target: &Path) -> Result<()> {
    let found = match fs::symlink_metadata(target) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(ModelError::io(target, "look at", e)),
        Ok(found) => found,
    };
    if !found.is_dir() {
        return Err(refused(target, "expected a bundle, an empty folder or nothing there, found something else"));
    }
    if target.join(MANIFEST_NAME).is_file() {
        return Ok(());
    }
    let mut entries = fs::read_dir(target).map_err(|e| ModelError::io(target, "list", e))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => {
            Err(refused(target, "expected a bundle, an empty folder or nothing there, found a folder with other files"))
        }
    }
}

fn refused(target: &Path, reason: &str) -> ModelError {
    ModelError::Config {
        what: format!("bundle {}", target.display()),
        reason: format!("{reason}; choose another place"),
    }
}

/// Moves the finished folder to `target`, keeping what stands there.
fn replace(folder: tempfile::TempDir, target: &Path) -> Result<()> {
    let rename = |from: &Path, to: &Path| fs::rename(from, to).map_err(|e| ModelError::io(to, "rename into place", e));
    let parent = target.parent().unwrap_or(Path::new("/"));
    if !target.join(MANIFEST_NAME).is_file() {
        // Nothing, or an empty folder; a folder that was filled meanwhile stays and makes the renaming fail.
        let _ = fs::remove_dir(target);
        rename(folder.path(), target)?;
    } else if let Some(kept) = previous(target) {
        // The oldest one goes only when the newest one stands.
        let oldest = tempfile::Builder::new()
            .prefix(".replaced-")
            .tempdir_in(parent)
            .map_err(|e| ModelError::io(parent, "create a folder in", e))?;
        let aside = oldest.path().join("bundle");
        let had_kept = kept.exists();
        if had_kept {
            rename(&kept, &aside)?;
        }
        let moved = rename(target, &kept).and_then(|()| {
            rename(folder.path(), target).inspect_err(|_| {
                let _ = fs::rename(&kept, target);
            })
        });
        if let Err(e) = moved {
            if had_kept && fs::rename(&aside, &kept).is_err() {
                // It cannot go back to its name, but it must not go with the temporary folder.
                let _ = oldest.keep();
            }
            return Err(e);
        }
    }
    // The folder has moved: nothing is left to be removed under its old name.
    let _ = folder.keep();
    sync_folder(parent)
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

fn sync_folder(folder: &Path) -> Result<()> {
    // Other systems cannot open a folder as a file, and order names by themselves.
    if cfg!(unix) { sync(folder) } else { Ok(()) }
}
