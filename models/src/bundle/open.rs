//! Opening and verifying a bundle.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::digest::Sha256;
use super::entry::{FileEntry, Role};
use super::folder::Folder;
use super::manifest::{MANIFEST_NAME, Manifest};
use crate::engine::GraphSource;
use crate::{HeldFile, ModelError, Result};

/// Largest manifest that is read.
pub(super) const MANIFEST_BYTES_LIMIT: u64 = 1 << 20;
/// Folders and files that are looked at when a bundle's folder is searched for what does not belong to it.
const ENTRIES_LIMIT: usize = 10_000;

/// A bundle whose every file is what its manifest says.
///
/// Its files are open, and what is read of them is what was hashed: another bundle in its place, or bytes written into a
/// file, change nothing or are an error.
#[derive(Clone, Debug)]
pub struct Bundle {
    folder: PathBuf,
    manifest: Manifest,
    digest: String,
    /// As the manifest lists them.
    files: Vec<HeldFile>,
    extra: Vec<PathBuf>,
}

/// What verifying a bundle found, file by file.
#[derive(Debug)]
pub struct Verification {
    folder: PathBuf,
    manifest: Manifest,
    digest: String,
    extra: Vec<PathBuf>,
    held: Vec<Option<HeldFile>>,
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
    /// Opens the bundle in `folder`: reads the manifest, holds it against its own digest, then every file against its size and
    /// digest. Nothing but the manifest is parsed.
    ///
    /// Where an installation was killed between two renamings there is no such folder, and the bundle that it kept, in
    /// `NAME.previous`, is opened with a warning in the log. Files that do not belong to the bundle are tolerated with a
    /// warning too; see [`Bundle::extra_files`].
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

    /// Opens a bundle whose files lie in the program: the manifest and all that it names, by their paths in the bundle.
    ///
    /// # Errors
    /// As [`Bundle::open`], for a program that was damaged or built from sources that were.
    pub fn embedded(files: &[(&str, &'static [u8])]) -> Result<Self> {
        let folder = PathBuf::from("(built-in bundle)");
        let path = folder.join(MANIFEST_NAME);
        let find = |name: &str, path: &Path| {
            let found = files.iter().find(|(there, _)| *there == name).map(|(_, bytes)| *bytes);
            found.ok_or_else(|| ModelError::io(path, "read", std::io::ErrorKind::NotFound.into()))
        };
        let (manifest, digest) = parse(find(MANIFEST_NAME, &path)?, &path)?;
        let held = manifest.files.iter().map(|entry| {
            let place = entry.path.within(&folder);
            let (held, digest) = HeldFile::embedded(&place, find(entry.path.as_str(), &place)?);
            holds(entry, &held, digest)?;
            Ok(held)
        });
        let held = held.collect::<Result<_>>()?;
        Ok(Self { folder, manifest, digest: digest.to_string(), files: held, extra: Vec::new() })
    }

    /// As [`Bundle::open`], but goes on after the first file that fails and tells about each one.
    ///
    /// # Errors
    /// [`ModelError::Io`] or [`ModelError::Manifest`] when there is no acceptable manifest.
    pub fn verify(folder: &Path) -> Result<Verification> {
        let open = open_folder(folder)?;
        let folder = open.path();
        let path = folder.join(MANIFEST_NAME);
        let (manifest, digest) = parse(&read_manifest(&open)?, &path)?;
        let (mut held, mut files) = (Vec::new(), Vec::new());
        for entry in &manifest.files {
            let path = entry.path.within(folder);
            let found = open.file(entry).and_then(|file| {
                let (file, digest) = HeldFile::hash(&path, file, entry.bytes)?;
                holds(entry, &file, digest).map(|()| file)
            });
            let (file, fault) = match found {
                Ok(file) => (Some(file), None),
                Err(fault) => (None, Some(fault)),
            };
            held.push(file);
            files.push(FileCheck { entry: entry.clone(), path, fault });
        }
        let extra = extra_files(folder, &manifest)?;
        Ok(Verification { folder: folder.to_owned(), manifest, digest: digest.to_string(), extra, held, files })
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

    /// The digest in the manifest's first line, hex: SHA-256 of the lines after it. They hold every file's digest, so this
    /// names the whole bundle.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The path at which the file of `role` lay when the bundle was opened.
    ///
    /// # Errors
    /// [`ModelError::Manifest`] when the bundle has none.
    pub fn path(&self, role: Role) -> Result<PathBuf> {
        self.file(role).map(|file| file.path().to_owned())
    }

    /// The file of `role`, as it was hashed.
    ///
    /// # Errors
    /// [`ModelError::Manifest`] when the bundle has none.
    pub fn file(&self, role: Role) -> Result<HeldFile> {
        let found = self.files().find(|(entry, _)| entry.role == role);
        found.map(|(_, file)| file.clone()).ok_or_else(|| ModelError::Manifest {
            path: self.folder.join(MANIFEST_NAME),
            reason: format!("expected a file of role {role}, found none"),
        })
    }

    /// Every file that the manifest lists, as it was hashed.
    pub fn files(&self) -> impl Iterator<Item = (&FileEntry, &HeldFile)> {
        self.manifest.files.iter().zip(&self.files)
    }

    /// The graph of `role` with its weights, as they were hashed.
    ///
    /// # Errors
    /// [`ModelError::Manifest`] when the bundle has none, or `role` is no graph.
    pub fn graph(&self, role: Role) -> Result<GraphSource<'static>> {
        match Role::WEIGHTED.into_iter().find(|(graph, _)| *graph == role) {
            Some((_, weights)) => Ok(GraphSource::Held(self.file(role)?, self.file(weights)?)),
            None => Err(ModelError::Manifest {
                path: self.folder.join(MANIFEST_NAME),
                reason: format!("expected the role of a graph, found {role}"),
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
        &self.manifest
    }

    /// As [`Bundle::digest`].
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Files in the folder that the manifest does not list.
    #[must_use]
    pub fn extra_files(&self) -> &[PathBuf] {
        &self.extra
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
        let Self { folder, manifest, digest, extra, held, files } = self;
        match files.into_iter().find_map(|file| file.fault) {
            None => Ok(Bundle { folder, manifest, digest, files: held.into_iter().flatten().collect(), extra }),
            Some(fault) => Err(fault),
        }
    }
}

/// Whether `file`, whose bytes have `digest`, is what `entry` says.
fn holds(entry: &FileEntry, file: &HeldFile, digest: Sha256) -> Result<()> {
    let differs = |what, expected: String, found: String| {
        Err(ModelError::Digest { path: file.path().to_owned(), what, expected, found })
    };
    if file.len() != entry.bytes {
        return differs("size in bytes", entry.bytes.to_string(), file.len().to_string());
    }
    if digest != entry.sha256 {
        return differs("sha256", entry.sha256.to_string(), digest.to_string());
    }
    Ok(())
}

/// The manifest in `bytes` and its digest.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<(Manifest, Sha256)> {
    let text = std::str::from_utf8(bytes).map_err(|e| ModelError::Manifest {
        path: path.into(),
        reason: format!("expected UTF-8 text, found another byte at {}", e.valid_up_to()),
    })?;
    Manifest::sealed(text, path)
}

/// Opens the bundle's folder, or the one that an interrupted installation left.
pub(super) fn open_folder(folder: &Path) -> Result<Folder> {
    let missing = fs::symlink_metadata(folder).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound);
    let kept = folder.file_name().map(|name| super::place::previous(folder, name));
    if let Some(kept) = kept.filter(|kept| missing && kept.join(MANIFEST_NAME).is_file()) {
        log::warn!(
            "{}: an interrupted installation left no bundle there; the one before is used: {}",
            folder.display(),
            kept.display()
        );
        return Folder::open(&kept);
    }
    Folder::open(folder)
}

/// The bytes of the manifest in `folder`, which is a regular file of bounded size.
pub(super) fn read_manifest(folder: &Folder) -> Result<Vec<u8>> {
    let path = folder.path().join(MANIFEST_NAME);
    let (file, _) = folder.manifest()?;
    let mut bytes = Vec::new();
    file.take(MANIFEST_BYTES_LIMIT + 1).read_to_end(&mut bytes).map_err(|e| ModelError::io(&path, "read", e))?;
    if bytes.len() as u64 > MANIFEST_BYTES_LIMIT {
        let reason = format!("expected at most {MANIFEST_BYTES_LIMIT} bytes, found more");
        return Err(ModelError::Manifest { path, reason });
    }
    Ok(bytes)
}

fn extra_files(folder: &Path, manifest: &Manifest) -> Result<Vec<PathBuf>> {
    let mut extra = Vec::new();
    let mut folders = vec![folder.to_owned()];
    let mut seen = 0;
    while let Some(current) = folders.pop() {
        let read = |e| ModelError::io(&current, "list", e);
        let entries = match fs::read_dir(&current) {
            // Replaced meanwhile: the files that count are open.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.map_err(read)?,
        };
        for entry in entries {
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
