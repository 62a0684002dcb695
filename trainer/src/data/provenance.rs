//! Where the rows of a plain layout come from: the file that `mien-train extract` writes before the first row.

use std::path::Path;

use mien_models::bundle::{MethodSection, Sha256};
use mien_runtime::record::BundleMark;
use serde::{Deserialize, Serialize};

use super::corpus::Modality;
use super::store::RowType;
use crate::versioned::{self, Kind};
use crate::{Result, TrainerError, changed};

/// The file's name in the root of the layout.
pub const FILE: &str = "extraction.toml";
/// Version of the file's keys; any change of them raises it.
pub const SCHEMA: u32 = 1;
const KIND: Kind = Kind {
    schema: SCHEMA,
    longest: 1 << 20,
    foreign: "is this a folder of `mien-train extract`?",
    outdated: "go on with the program that began it",
};

/// Everything that rows depend on besides the clips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The program that extracts.
    pub created_by: String,
    /// What everything made of these rows must say; none for trained weights without a statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// Type of the numbers.
    pub rows: RowType,
    /// What is extracted of each clip.
    pub modalities: Vec<Modality>,
    /// Positions of the language model's context; none without a language model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llm_context: Option<usize>,
    /// Layers of the language model that were to run on a GPU; none without one. Its digits differ from a processor's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_layers: Option<u32>,
    /// The networks; what they say of themselves is [`Provenance::statement`].
    pub bundle: BundleMark,
    /// The bundle's switches of the method, for readers: its digest covers them.
    pub method: MethodSection,
}

impl Provenance {
    /// Reads the file in `root`; `None` where there is none.
    ///
    /// # Errors
    /// Io; Extraction for a file of another version or that is none.
    pub fn read(root: &Path) -> Result<Option<Self>> {
        let path = root.join(FILE);
        versioned::read(&path, &KIND, |reason| TrainerError::Extraction { path: path.clone(), reason })
    }

    /// The file's text.
    ///
    /// # Errors
    /// Extraction for numbers that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| TrainerError::Extraction { path: FILE.into(), reason: e.to_string() })
    }

    /// SHA-256 of the file's text.
    ///
    /// # Errors
    /// As [`Provenance::to_toml`].
    pub fn digest(&self) -> Result<Sha256> {
        Ok(Sha256::of(self.to_toml()?.as_bytes()))
    }

    /// The first key in which `now` differs from this: key, value here, value there.
    pub fn difference(&self, now: &Self) -> Option<(String, String, String)> {
        changed::first(self, now)
    }

    /// What a reader of a store should know, in words.
    pub fn remark(&self) -> String {
        let BundleMark { name, digest, trained, .. } = &self.bundle;
        let said = match (&self.statement, trained) {
            (Some(statement), _) => format!(": {statement}"),
            (None, false) => ": untrained weights".into(),
            (None, true) => String::new(),
        };
        format!("rows extracted by {} with the bundle {name} (sha256 {digest}){said}", self.created_by)
    }
}
