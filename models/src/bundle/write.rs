//! Making a bundle's folder.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::digest::Sha256;
use super::entry::{BundlePath, FileEntry, Role};
use super::manifest::{MANIFEST_NAME, Manifest};
use super::open::read_manifest;
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

/// Where the bundle that stood at `target`, whose name is `name`, is kept.
pub(super) fn previous(target: &Path, name: &OsStr) -> PathBuf {
    let mut name = name.to_owned();
    name.push(".previous");
    target.with_file_name(name)
}

/// What may be moved away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Nothing,
    EmptyFolder,
    Bundle,
}

/// What stands at `place`. Only a bundle or an empty folder may be moved: a mistyped path, or a folder that happens to
/// have a bundle's name, must not cost somebody's files.
fn standing(place: &Path) -> Result<Standing> {
    let found = match fs::symlink_metadata(place) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Standing::Nothing),
        Err(e) => return Err(ModelError::io(place, "look at", e)),
        Ok(found) => found,
    };
    let refuse = |found: &str| {
        Err(refused(place, &format!("expected a bundle, an empty folder or nothing there, found {found}")))
    };
    if !found.is_dir() {
        return refuse("something else");
    }
    let mut entries = fs::read_dir(place).map_err(|e| ModelError::io(place, "list", e))?;
    if entries.next().is_none() {
        return Ok(Standing::EmptyFolder);
    }
    if fs::symlink_metadata(place.join(MANIFEST_NAME)).is_err() {
        return refuse("a folder with other files");
    }
    if is_manifest(place) {
        Ok(Standing::Bundle)
    } else {
        refuse(&format!("a folder whose {MANIFEST_NAME} is no bundle's"))
    }
}

/// Whether the manifest in `folder` is a bundle's, of this schema or another one: a schema's number and a list of files.
fn is_manifest(folder: &Path) -> bool {
    let Some(text) = read_manifest(folder).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else { return false };
    let Ok(table) = text.parse::<toml::Table>() else { return false };
    table.get("schema").is_some_and(toml::Value::is_integer)
        && table
            .get("file")
            .and_then(toml::Value::as_array)
            .is_some_and(|files| files.iter().all(toml::Value::is_table))
}

/// Refuses the folder `current` and every folder that holds it: what runs there would find itself moved away.
fn check_apart(target: &Path, current: &Path) -> Result<()> {
    // A target that is not there yet holds nothing; names are compared after links and `..` are followed.
    let (Ok(found), Ok(current)) = (fs::canonicalize(target), fs::canonicalize(current)) else { return Ok(()) };
    if current.starts_with(&found) {
        return Err(refused(
            target,
            "expected a folder apart from the current one, found that one or one that holds it",
        ));
    }
    Ok(())
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
    let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(refused(target, "expected a folder's name"));
    };
    // Looked at again: building takes minutes, in which anything may have come.
    if standing(target)? != Standing::Bundle {
        // Nothing, or an empty folder; a folder that was filled meanwhile stays and makes the renaming fail.
        let _ = fs::remove_dir(target);
        rename(folder.path(), target)?;
    } else {
        let kept = previous(target, name);
        let had_kept = standing(&kept)? != Standing::Nothing;
        // The oldest one goes only when the newest one stands.
        let oldest = tempfile::Builder::new()
            .prefix(".replaced-")
            .tempdir_in(parent)
            .map_err(|e| ModelError::io(parent, "create a folder in", e))?;
        let aside = oldest.path().join("bundle");
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_current_folder_and_those_that_hold_it_are_no_targets() {
        let parent = tempfile::tempdir().unwrap();
        let current = parent.path().join("a/b");
        fs::create_dir_all(&current).unwrap();
        for bad in ["a", "a/b", "a/b/../b", "a/b/.."] {
            let fault = check_apart(&parent.path().join(bad), &current).unwrap_err().to_string();
            assert!(fault.contains("expected a folder apart from the current one"), "{bad}: {fault}");
        }
        for good in ["a/b/c", "a/bb", "c"] {
            check_apart(&parent.path().join(good), &current).unwrap();
            fs::create_dir_all(parent.path().join(good)).unwrap();
            check_apart(&parent.path().join(good), &current).unwrap();
        }
    }
}
