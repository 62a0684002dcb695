//! One dry bundle for all tests, and copies of it that may be damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use mien_models::ModelError;
use mien_models::bundle::{Bundle, DrySize, MANIFEST_NAME, Manifest, make_dry, seal};
use tempfile::TempDir;

pub(crate) const SEED: u64 = 7;

/// One small dry bundle for all tests; never changed.
static DRY: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    make_dry(&folder.path().join("dry"), DrySize::Small, SEED).unwrap();
    folder
});

pub(crate) fn dry() -> PathBuf {
    DRY.path().join("dry")
}

pub(crate) fn dry_manifest() -> Manifest {
    Bundle::open(&dry()).unwrap().manifest().clone()
}

/// A copy of the dry bundle that a test may damage, in a folder of its own.
pub(crate) struct Copy {
    pub(crate) parent: TempDir,
}

impl Copy {
    pub(crate) fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let copy = Self { parent };
        fs::create_dir(copy.folder()).unwrap();
        for entry in fs::read_dir(dry()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.folder().join(entry.file_name())).unwrap();
        }
        copy
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.parent.path().join("bundle")
    }

    pub(crate) fn manifest_text(&self) -> String {
        fs::read_to_string(self.folder().join(MANIFEST_NAME)).unwrap()
    }

    /// Writes the manifest with the digest that belongs to it.
    pub(crate) fn write_manifest(&self, text: impl AsRef<str>) {
        self.write_unsealed(seal(text.as_ref()));
    }

    /// Writes the manifest as it is.
    pub(crate) fn write_unsealed(&self, text: impl AsRef<[u8]>) {
        fs::write(self.folder().join(MANIFEST_NAME), text).unwrap();
    }

    pub(crate) fn fault(&self) -> ModelError {
        Bundle::open(&self.folder()).unwrap_err()
    }
}

pub(crate) fn files() -> Vec<String> {
    dry_manifest().files.iter().map(|file| file.path.to_string()).collect()
}

/// Names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
