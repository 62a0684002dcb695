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
    /// What must be known of the network by everyone who uses it; empty for one that learned from recordings.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub statement: String,
    /// The stage's name.
    pub stage: String,
    /// Digest of the clips.
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
        statement: &str,
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
            statement: statement.into(),
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
    /// Io; Run for a file that is none or of another version.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        versioned::read(&path, &KIND, |reason| TrainerError::Run { path: path.clone(), reason })
    }

    /// The first file that is missing or not as it was written.
    ///
    /// # Errors
    /// Io.
    pub(crate) fn first_changed(&self, folder: &Path) -> Result<Option<PathBuf>> {
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
    /// Run for numbers that TOML cannot hold.
    pub(super) fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| TrainerError::Run { path: FILE.into(), reason: e.to_string() })
    }
}
