//! One bundle with formula weights for all tests of a program: what they hold must not depend on what was trained.

use std::path::PathBuf;
use std::sync::LazyLock;

use mien_models::bundle::{DrySize, make_dry};
use tempfile::TempDir;

static DRY: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    make_dry(&folder.path().join("dry"), DrySize::Small, 7).unwrap();
    folder
});

/// Its folder, for MIEN_BUNDLE; never changed.
pub(crate) fn dry() -> PathBuf {
    DRY.path().join("dry")
}
