//! The bundle that serves when none is named.

use std::path::{Path, PathBuf};

use mien_models::bundle::Bundle;

use crate::pocket::BUNDLE;
use crate::{Result, RuntimeError};

/// The environment variable that names a bundle's folder.
pub const VARIABLE: &str = "MIEN_BUNDLE";

/// An open bundle.
pub struct ChosenBundle {
    /// The verified bundle.
    pub bundle: Bundle,
}

/// Opens `named`, else the folder in the environment variable `MIEN_BUNDLE`, else the built-in pocket bundle.
///
/// That one is read where it lies, in the program itself: it can neither be stale nor be changed, and leaves nothing behind.
///
/// # Errors
/// [`RuntimeError::Bundle`].
pub fn choose(named: Option<&Path>) -> Result<ChosenBundle> {
    if let Some(path) = named {
        let bundle = Bundle::open(path).map_err(RuntimeError::Bundle)?;
        return Ok(ChosenBundle { bundle });
    }
    // Set but empty is how a shell unsets a variable for one command.
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from) {
        log::info!("bundle {} is named by {VARIABLE}", path.display());
        let bundle = Bundle::open(&path).map_err(RuntimeError::Bundle)?;
        return Ok(ChosenBundle { bundle });
    }
    built_in()
}

/// The pocket bundle.
fn built_in() -> Result<ChosenBundle> {
    let files: Vec<_> = BUNDLE.iter().map(|file| (file.path, file.bytes)).collect();
    Ok(ChosenBundle { bundle: Bundle::embedded(&files).map_err(RuntimeError::Bundle)? })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_embedded_is_what_the_sources_have_and_nothing_else() {
        let chosen = built_in().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/pocket/bundle");
        for file in BUNDLE {
            assert!(file.bytes == std::fs::read(source.join(file.path)).unwrap(), "{}", file.path);
        }
        for entry in &chosen.bundle.manifest().files {
            let held = chosen.bundle.file(entry.role).unwrap().read(u64::MAX).unwrap();
            assert!(held == std::fs::read(source.join(entry.path.as_str())).unwrap(), "{}", entry.path);
        }
        let named: BTreeSet<String> = chosen.bundle.manifest().files.iter().map(|file| file.path.to_string()).collect();
        let embedded: BTreeSet<String> = BUNDLE.iter().map(|file| file.path.to_owned()).collect();
        let manifest = BTreeSet::from(["manifest.toml".to_owned()]);
        assert_eq!(embedded.difference(&named).cloned().collect::<BTreeSet<_>>(), manifest);
        assert!(chosen.bundle.extra_files().is_empty());
        assert_eq!(chosen.bundle.digest(), Bundle::open(&source).unwrap().digest());
    }

    #[test]
    fn it_says_what_it_is() {
        let chosen = built_in().unwrap();
        let manifest = chosen.bundle.manifest();
        assert!(manifest.statement.starts_with("pocket: knows only its small world"), "{}", manifest.statement);
        assert!(manifest.llm.is_some(), "text is simulated from sound");
    }
}
