//! The bundle that serves when none is named.

use std::path::{Path, PathBuf};

use mien_models::ModelError;
use mien_models::bundle::{Bundle, DrySize, make_dry};

use crate::{Result, RuntimeError};

/// The environment variable that names a bundle's folder.
pub const VARIABLE: &str = "MIEN_BUNDLE";
/// Seed of the built-in dry bundle's formula weights.
pub const DRY_SEED: u64 = 7;

/// An open bundle, and the temporary folder it lies in if it is the built-in one.
pub struct ChosenBundle {
    /// The verified bundle.
    pub bundle: Bundle,
    /// Removed when dropped; loaded networks no longer need it, so drop it as soon as they are.
    _folder: Option<tempfile::TempDir>,
}

/// Opens `named`, else the folder in the environment variable `MIEN_BUNDLE`, else makes the built-in dry bundle.
///
/// The dry bundle is made anew each time (small networks, formula weights), so it can neither be stale nor be changed.
///
/// # Errors
/// [`RuntimeError::Bundle`]; [`RuntimeError::Write`] when the built-in bundle finds no room.
pub fn choose(named: Option<&Path>) -> Result<ChosenBundle> {
    if let Some(path) = named {
        let bundle = Bundle::open(path).map_err(RuntimeError::Bundle)?;
        return Ok(ChosenBundle { bundle, _folder: None });
    }
    // Set but empty is how a shell unsets a variable for one command.
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from) {
        log::info!("bundle {} is named by {VARIABLE}", path.display());
        let bundle = Bundle::open(&path).map_err(RuntimeError::Bundle)?;
        return Ok(ChosenBundle { bundle, _folder: None });
    }
    let folder = tempfile::Builder::new()
        .prefix("mien-dry-")
        .tempdir()
        .map_err(|source| RuntimeError::Write { path: std::env::temp_dir(), source })?;
    let path = folder.path().join("dry");
    make_dry(&path, DrySize::Small, DRY_SEED).map_err(|error| match error {
        ModelError::Io { path, source, .. } => RuntimeError::Write { path, source },
        other => RuntimeError::Bundle(other),
    })?;
    let bundle = Bundle::open(&path).map_err(RuntimeError::Bundle)?;
    Ok(ChosenBundle { bundle, _folder: Some(folder) })
}
