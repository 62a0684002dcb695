//! The file that says that a stage is finished: what it learned from, what it measured, the digests of its files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mien_models::bundle::Sha256;
use serde::{Deserialize, Serialize};

use super::{Measures, Pace};
use crate::versioned::{self, Kind};
use crate::{Result, TrainerError};

/// The file's name in a stage's folder.
pub const FILE: &str = "stage.toml";
/// What everything says that was made with networks of the pocket world.
pub const STATEMENT: &str = "pocket: knows only its small world, not people";
/// Version of the file's keys.
const SCHEMA: u32 = 1;
const KIND: Kind = Kind {
    schema: SCHEMA,
    longest: 1 << 16,
    foreign: "remove it and train again",
    outdated: "train into a new folder",
};

/// A finished stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finished {
    schema: u32,
    created_by: String,
    statement: String,
    /// The stage's name.
    pub stage: String,
    /// Digest of the corpus.
    pub corpus: Sha256,
    /// Digest of all that the training depends on.
    pub learned_from: Sha256,
    /// Length and speed.
    pub pace: Pace,
    /// Last measures of the validation split.
    pub valid: Measures,
    /// The files in the folder that later stages and bundles take.
    pub files: BTreeMap<String, Sha256>,
}

impl Finished {
    pub(super) fn new(
        stage: &str,
        [corpus, learned_from]: [Sha256; 2],
        pace: Pace,
        valid: Measures,
        files: BTreeMap<String, Sha256>,
    ) -> Self {
        let created_by = concat!("mien-train ", env!("CARGO_PKG_VERSION")).into();
        let stage = stage.to_owned();
        Self {
            schema: SCHEMA,
            created_by,
            statement: STATEMENT.into(),
            stage,
            corpus,
            learned_from,
            pace,
            valid,
            files,
        }
    }

    /// Reads the file in `folder`; `None` where there is none.
    ///
    /// # Errors
    /// Io; Pocket for a file that is none or of another version.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        versioned::read(&path, &KIND, |reason| TrainerError::Pocket { path: path.clone(), reason })
    }

    /// The stage `name` of the training in `out`, with every file as it was written.
    ///
    /// # Errors
    /// Io; Pocket for a stage that is not finished, was trained on another corpus, or whose files were changed.
    pub fn of(out: &Path, name: &str, corpus: Sha256) -> Result<Self> {
        let folder = out.join(name);
        let refuse = |path: PathBuf, reason: String| Err(TrainerError::Pocket { path, reason });
        let Some(finished) = Self::read(&folder)? else {
            let reason = format!("there is no {FILE}: the stage is not finished; run `mien-train pocket {name}` first");
            return refuse(folder, reason);
        };
        if finished.corpus != corpus {
            let reason = format!(
                "it was trained on the corpus {}, expected {corpus}; train all stages on one corpus",
                finished.corpus
            );
            return refuse(folder.join(FILE), reason);
        }
        match finished.first_changed(&folder)? {
            None => Ok(finished),
            Some(path) => refuse(
                path,
                format!(
                    "it is not the file that was written; run `mien-train pocket {name}` again, which writes it anew"
                ),
            ),
        }
    }

    /// The first file that is missing or not as it was written.
    ///
    /// # Errors
    /// Io.
    pub(super) fn first_changed(&self, folder: &Path) -> Result<Option<PathBuf>> {
        for (name, sha256) in &self.files {
            // Names come from the file: none may lead out of the folder.
            let path = folder.join(name);
            let inside = Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
            if !inside || !path.is_file() || Sha256::of_file(&path)?.1 != *sha256 {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// The file's text.
    ///
    /// # Errors
    /// Pocket for numbers that TOML cannot hold.
    pub(super) fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| TrainerError::Pocket { path: FILE.into(), reason: e.to_string() })
    }
}
