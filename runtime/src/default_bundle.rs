//! The bundle that serves when none is named.

use std::path::{Path, PathBuf};

use mien_models::bundle::Bundle;

use crate::pocket::{BUNDLE, unpack};
use crate::{Result, RuntimeError};

/// The environment variable that names a bundle's folder.
pub const VARIABLE: &str = "MIEN_BUNDLE";

/// An open bundle, and the temporary folder it lies in if it is the built-in one.
pub struct ChosenBundle {
    /// The verified bundle.
    pub bundle: Bundle,
    /// Removed when dropped; loaded networks no longer need it, so drop it as soon as they are.
    _folder: Option<tempfile::TempDir>,
}

/// Opens `named`, else the folder in the environment variable `MIEN_BUNDLE`, else unpacks the built-in pocket bundle.
///
/// It is unpacked anew each time, out of the program itself, so it can neither be stale nor be changed.
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
    built_in()
}

/// The pocket bundle in a temporary folder.
fn built_in() -> Result<ChosenBundle> {
    let folder = tempfile::Builder::new()
        .prefix("mien-pocket-")
        .tempdir()
        .map_err(|source| RuntimeError::Write { path: std::env::temp_dir(), source })?;
    unpack(BUNDLE, folder.path())?;
    let bundle = Bundle::open(folder.path()).map_err(RuntimeError::Bundle)?;
    Ok(ChosenBundle { bundle, _folder: Some(folder) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_unpacked_is_what_is_embedded_and_nothing_else() {
        let chosen = built_in().unwrap();
        let root = chosen.bundle.folder().to_owned();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/pocket/bundle");
        for file in BUNDLE {
            let unpacked = std::fs::read(root.join(file.path)).unwrap();
            assert!(unpacked == file.bytes, "{}", file.path);
            assert!(unpacked == std::fs::read(source.join(file.path)).unwrap(), "{}", file.path);
        }
        let named: BTreeSet<String> = chosen.bundle.manifest().files.iter().map(|file| file.path.to_string()).collect();
        let embedded: BTreeSet<String> = BUNDLE.iter().map(|file| file.path.to_owned()).collect();
        let manifest = BTreeSet::from(["manifest.toml".to_owned()]);
        assert_eq!(embedded.difference(&named).cloned().collect::<BTreeSet<_>>(), manifest);
        assert!(chosen.bundle.extra_files().is_empty());
        assert_eq!(chosen.bundle.digest(), Bundle::open(&source).unwrap().digest());
        drop(chosen);
        assert!(!root.exists(), "nothing is left behind");
    }

    #[test]
    fn it_says_what_it_is() {
        let chosen = built_in().unwrap();
        let manifest = chosen.bundle.manifest();
        assert!(manifest.statement.starts_with("pocket: knows only its small world"), "{}", manifest.statement);
        assert!(manifest.llm.is_some(), "text is simulated from sound");
    }

    #[test]
    fn each_unpacking_has_its_own_folder() {
        let (one, other) = (built_in().unwrap(), built_in().unwrap());
        assert_ne!(one.bundle.folder(), other.bundle.folder());
        assert_eq!(one.bundle.digest(), other.bundle.digest());
    }
}
