//! The bundle that serves when none is named.

use std::path::{Path, PathBuf};

use mien_models::ModelError;
use mien_models::bundle::{Bundle, DrySize, make_dry};

use crate::{Result, RuntimeError};

/// Seed of the built-in dry bundle's formula weights.
pub const DRY_SEED: u64 = 7;

/// An open bundle, and the temporary folder it lies in if it is the built-in one.
pub struct ChosenBundle {
    /// The verified bundle.
    pub bundle: Bundle,
    /// Removed when dropped; a loaded network no longer needs it.
    _folder: Option<tempfile::TempDir>,
}

/// Opens `named`, else the folder in the environment variable `MIEN_BUNDLE`, else makes the built-in dry bundle.
///
/// The dry bundle is made anew each time (small networks, formula weights), so it can neither be stale nor be changed.
///
/// # Errors
/// [`RuntimeError::Bundle`].
pub fn choose(named: Option<&Path>) -> Result<ChosenBundle> {
    let named = named.map(PathBuf::from).or_else(|| std::env::var_os("MIEN_BUNDLE").map(PathBuf::from));
    if let Some(path) = named {
        let bundle = Bundle::open(&path).map_err(RuntimeError::Bundle)?;
        return Ok(ChosenBundle { bundle, _folder: None });
    }
    let folder = tempfile::Builder::new()
        .prefix("mien-dry-")
        .tempdir()
        .map_err(|e| RuntimeError::Bundle(ModelError::io(std::env::temp_dir(), "create a folder in", e)))?;
    let path = folder.path().join("dry");
    make_dry(&path, DrySize::Small, DRY_SEED).map_err(RuntimeError::Bundle)?;
    let bundle = Bundle::open(&path).map_err(RuntimeError::Bundle)?;
    Ok(ChosenBundle { bundle, _folder: Some(folder) })
}
