//! Opening and verifying a bundle.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::digest::Sha256;
use super::entry::{FileEntry, Role};
use super::manifest::{MANIFEST_NAME, Manifest};
use crate::{ModelError, Result};

/// Largest manifest that is read.
pub(super) const MANIFEST_BYTES_LIMIT: u64 = 1 << 20;
/// Folders and files that are looked at when a bundle's folder is searched for what does not belong to it.
const ENTRIES_LIMIT: usize = 10_000;

/// A bundle whose every file is what its manifest says.
#[derive(Clone, Debug)]
pub struct Bundle {
    folder: PathBuf,
    manifest: Manifest,
    digest: String,
    extra: Vec<PathBuf>,
}

/// What verifying a bundle found, file by file.
#[derive(Debug)]
pub struct Verification {
    bundle: Bundle,
    files: Vec<FileCheck>,
}

/// One file's verdict.
#[derive(Debug)]
pub struct FileCheck {
    /// What the manifest says of it.
    pub entry: FileEntry,
    /// Where it was looked for.
    pub path: PathBuf,
    /// What is wrong with it; none if its size and digest hold.
    pub fault: Option<ModelError>,
}

impl Bundle {
    /// Opens the bundle in `folder`: reads the manifest, then holds every file against its size and digest. Nothing but
    /// the manifest is parsed.
    ///
    /// Files that do not belong to the bundle are tolerated with a warning in the log; see [`Bundle::extra_files`]. The
    /// files must not be changed while the bundle is in use.
    ///
    /// # Errors
    /// [`ModelError::Io`] for what cannot be read; [`ModelError::Manifest`] for a manifest that is not acceptable, for a
    /// listed path that is a symbolic link or no regular file; [`ModelError::Digest`] for the first file whose size or
    /// digest differs.
    pub fn open(folder: &Path) -> Result<Self> {
        let bundle = Self::verify(folder)?.into_bundle()?;
        for path in &bundle.extra {
            log::warn!("{}: not listed in the bundle's manifest; not used", path.display());
        }
        Ok(bundle)
    }

    /// As [`Bundle::open`], but goes on after the first file that fails and tells about each one.
    ///
    /// # Errors
    /// [`ModelError::Io`] or [`ModelError::Manifest`] when there is no acceptable manifest.
    pub fn verify(folder: &Path) -> Result<Verification> {
        let bytes = read_manifest(folder)?;
        let path = folder.join(MANIFEST_NAME);
        let text = std::str::from_utf8(&bytes).map_err(|e| ModelError::Manifest {
            path: path.clone(),
            reason: format!("expected UTF-8 text, found another byte at {}", e.valid_up_to()),
        })?;
        let manifest = Manifest::parse(text, &path)?;
        let files = manifest.files.iter().map(|entry| {
            let fault = check_file(folder, &path, entry).err();
            FileCheck { entry: entry.clone(), path: entry.path.within(folder), fault }
        });
        let files = files.collect();
        let extra = extra_files(folder, &manifest)?;
        let digest = Sha256::of(&bytes).to_string();
        Ok(Verification { bundle: Self { folder: folder.to_owned(), manifest, digest, extra }, files })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the manifest's bytes, hex. The manifest holds every file's digest, so this names the whole bundle.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The path of the file of `role`.
    ///
    /// # Errors
    /// [`ModelError::Manifest`] when the bundle has none.
    pub fn path(&self, role: Role) -> Result<PathBuf> {
        match self.manifest.file(role) {
            Some(file) => Ok(file.path.within(&self.folder)),
            None => Err(ModelError::Manifest {
                path: self.folder.join(MANIFEST_NAME),
                reason: format!("expected a file of role {role}, found none"),
            }),
        }
    }

    /// Files in the folder that the manifest does not list, in the order of their names.
    #[must_use]
    pub fn extra_files(&self) -> &[PathBuf] {
        &self.extra
    }
}

impl Verification {
    /// Every listed file in the manifest's order.
    #[must_use]
    pub fn files(&self) -> &[FileCheck] {
        &self.files
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.bundle.manifest
    }

    /// SHA-256 of the manifest's bytes, hex.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.bundle.digest
    }

    /// Files in the folder that the manifest does not list.
    #[must_use]
    pub fn extra_files(&self) -> &[PathBuf] {
        &self.bundle.extra
    }

    /// Whether every listed file is what the manifest says.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.files.iter().all(|file| file.fault.is_none())
    }

    /// The bundle.
    ///
    /// # Errors
    /// The first file's fault.
    pub fn into_bundle(self) -> Result<Bundle> {
        match self.files.into_iter().find_map(|file| file.fault) {
            None => Ok(self.bundle),
            Some(fault) => Err(fault),
        }
    }
}

/// The bytes of the manifest in `folder`, which is a regular file of bounded size.
pub(super) fn read_manifest(folder: &Path) -> Result<Vec<u8>> {
    let path = folder.join(MANIFEST_NAME);
    if !folder.exists() {
        let kept = folder.file_name().map(|name| super::write::previous(folder, name));
        if let Some(kept) = kept.filter(|kept| kept.join(MANIFEST_NAME).is_file()) {
            let reason =
                format!("expected a bundle, found none; an interrupted installation left the one before at {kept:?}");
            return Err(ModelError::Manifest { path: folder.into(), reason });
        }
    }
    require_file(&path, &path)?;
    let file = fs::File::open(&path).map_err(|e| ModelError::io(&path, "read", e))?;
    let mut bytes = Vec::new();
    file.take(MANIFEST_BYTES_LIMIT + 1).read_to_end(&mut bytes).map_err(|e| ModelError::io(&path, "read", e))?;
    if bytes.len() as u64 > MANIFEST_BYTES_LIMIT {
        let reason = format!("expected at most {MANIFEST_BYTES_LIMIT} bytes, found more");
        return Err(ModelError::Manifest { path, reason });
    }
    Ok(bytes)
}

/// Refuses anything but a regular file; opening a pipe or a device could block or never end.
fn require_file(path: &Path, manifest: &Path) -> Result<u64> {
    let found = fs::symlink_metadata(path).map_err(|e| ModelError::io(path, "read", e))?;
    if found.is_file() {
        return Ok(found.len());
    }
    let kind = match (found.is_symlink(), found.is_dir()) {
        (true, _) => "a symbolic link",
        (_, true) => "a folder",
        _ => "a device or pipe",
    };
    Err(ModelError::Manifest {
        path: manifest.into(),
        reason: format!("{:?}: expected a regular file, found {kind}", path.display().to_string()),
    })
}

fn check_file(folder: &Path, manifest: &Path, entry: &FileEntry) -> Result<()> {
    let path = check_place(folder, manifest, entry)?;
    let (size, digest) = Sha256::of_file(&path)?;
    if (size, digest) != (entry.bytes, entry.sha256) {
        return Err(ModelError::Digest {
            path,
            what: "sha256",
            expected: entry.sha256.to_string(),
            found: digest.to_string(),
        });
    }
    Ok(())
}

/// Where the file of `entry` lies: a regular file of the size that the manifest says, with no link on the way.
pub(super) fn check_place(folder: &Path, manifest: &Path, entry: &FileEntry) -> Result<PathBuf> {
    let path = entry.path.within(folder);
    if !entry.path.is_external() {
        // A linked folder on the way would lead out of the bundle as a linked file would.
        for step in entry.path.steps().map(|step| folder.join(step)).filter(|step| *step != path) {
            let found = fs::symlink_metadata(&step).map_err(|e| ModelError::io(&path, "read", e))?;
            if !found.is_dir() {
                return Err(ModelError::Manifest {
                    path: manifest.into(),
                    reason: format!("{:?}: expected a folder, found something else", step.display().to_string()),
                });
            }
        }
    }
    let size = require_file(&path, manifest)?;
    // The size first: a file cut short is told at once, without reading gigabytes.
    if size != entry.bytes {
        return Err(ModelError::Digest {
            path,
            what: "size in bytes",
            expected: entry.bytes.to_string(),
            found: size.to_string(),
        });
    }
    Ok(path)
}

fn extra_files(folder: &Path, manifest: &Manifest) -> Result<Vec<PathBuf>> {
    let mut extra = Vec::new();
    let mut folders = vec![folder.to_owned()];
    let mut seen = 0;
    while let Some(current) = folders.pop() {
        let read = |e| ModelError::io(&current, "list", e);
        for entry in fs::read_dir(&current).map_err(read)? {
            let entry = entry.map_err(read)?;
            seen += 1;
            if seen > ENTRIES_LIMIT {
                return Err(ModelError::Manifest {
                    path: folder.join(MANIFEST_NAME),
                    reason: format!("expected at most {ENTRIES_LIMIT} files in the bundle's folder, found more"),
                });
            }
            let path = entry.path();
            if entry.file_type().map_err(read)?.is_dir() {
                folders.push(path);
            } else if path != folder.join(MANIFEST_NAME)
                && !manifest.files.iter().any(|f| f.path.within(folder) == path)
            {
                extra.push(path);
            }
        }
    }
    extra.sort();
    Ok(extra)
}
