//! What stands in a store's two JSON files, and the header of a row file.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use mien_models::bundle::Sha256;
use serde::{Deserialize, Serialize};

use super::super::corpus::Modality;

/// Version of the store's layout; any change of it raises it.
pub const SCHEMA: u32 = 1;
/// Names of the two JSON files.
pub(super) const STORE_NAME: &str = "store.json";
pub(super) const INDEX_NAME: &str = "index.json";
/// What `format` says in `store.json`.
pub(super) const FORMAT: &str = "mien feature store";

/// Type of the stored numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowType {
    /// Half precision: half of the disk, and the type in which the authors saved the language model's rows.
    F16,
    /// Single precision.
    F32,
}

impl RowType {
    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::F32 => 4,
        }
    }

    /// Its name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::F32 => "f32",
        }
    }
}

impl fmt::Display for RowType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RowType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "f16" => Ok(Self::F16),
            "f32" => Ok(Self::F32),
            _ => Err(format!("expected f16 or f32, found {text:?}")),
        }
    }
}

/// `store.json`: small, read first, so that a store of another version is told by its number.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cover {
    /// [`FORMAT`].
    pub(super) format: String,
    /// [`SCHEMA`].
    pub(super) schema: u32,
    pub(super) index: FileEntry,
}

/// The part of `store.json` that every version has.
#[derive(Debug, Deserialize)]
pub(super) struct CoverVersion {
    pub(super) format: String,
    pub(super) schema: u32,
}

/// A file of the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name in the store's folder.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Sha256,
}

/// `index.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The program that made the store.
    pub created_by: String,
    /// The corpus that it was made from.
    pub origin: String,
    /// Type of all rows.
    pub rows: RowType,
    /// The modalities that the corpus has rows of.
    pub modalities: BTreeMap<Modality, ModalityEntry>,
    /// What was left out or replaced, in words.
    pub remarks: Vec<String>,
    /// Clips that weights are fitted to.
    pub train: SplitIndex,
    /// Clips that the epoch is chosen by.
    pub valid: SplitIndex,
    /// Clips that a finished run is reported on.
    pub test: SplitIndex,
}

/// A modality of the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModalityEntry {
    /// Numbers in a row.
    pub width: usize,
    /// Name of the features in the corpus.
    pub features: String,
}

/// The clips of a split; all lists have one entry for each clip, in the same order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitIndex {
    /// Utterance ids.
    pub ids: Vec<String>,
    /// Sentiment in [-3, 3].
    pub labels: Vec<f32>,
    /// Speakers, where the corpus tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speakers: Option<Vec<Option<String>>>,
    /// Transcripts, where the corpus tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcripts: Option<Vec<Option<String>>>,
    /// Rows of each clip, at least 1.
    pub lengths: BTreeMap<Modality, Vec<usize>>,
    /// The row file of each modality.
    pub files: BTreeMap<Modality, FileEntry>,
}

impl Index {
    /// The clips of a split.
    pub fn split(&self, split: super::super::source::Split) -> &SplitIndex {
        use super::super::source::Split;
        match split {
            Split::Train => &self.train,
            Split::Valid => &self.valid,
            Split::Test => &self.test,
        }
    }

    /// SHA-256 of what training and evaluation take from the store: rows, lengths, labels, ids, speakers, transcripts. Where
    /// the corpus lay and which program imported it make no other corpus of it.
    ///
    /// # Errors
    /// What serde says of an index that JSON cannot hold.
    pub(super) fn content_digest(&self) -> serde_json::Result<Sha256> {
        let [train, valid, test] = [&self.train, &self.valid, &self.test];
        let widths: BTreeMap<_, _> = self.modalities.iter().map(|(modality, entry)| (modality, entry.width)).collect();
        Ok(Sha256::of(&serde_json::to_vec(&(SCHEMA, self.rows, widths, train, valid, test))?))
    }

    /// Width of the rows of a modality. Real and simulated text have one width: where one of them is absent, the
    /// other's holds.
    pub fn width(&self, modality: Modality) -> Option<usize> {
        let other = match modality {
            Modality::Text => Modality::Simulated,
            Modality::Simulated => Modality::Text,
            Modality::Audio | Modality::Video => modality,
        };
        self.modalities.get(&modality).or_else(|| self.modalities.get(&other)).map(|entry| entry.width)
    }
}

/// Header of a row file, padded with spaces so that the numbers begin at a multiple of 64.
pub(super) fn row_file_header(clips: usize, rows: usize, width: usize, row_type: RowType) -> Option<Vec<u8>> {
    let offsets = clips.checked_add(1)?.checked_mul(size_of::<i64>())?;
    let data = rows.checked_mul(width)?.checked_mul(row_type.size())?;
    let dtype = match row_type {
        RowType::F16 => "F16",
        RowType::F32 => "F32",
    };
    let json = serde_json::json!({
        "offsets": { "dtype": "I64", "shape": [clips + 1], "data_offsets": [0, offsets] },
        "data": { "dtype": dtype, "shape": [rows, width], "data_offsets": [offsets, offsets.checked_add(data)?] },
    });
    let mut json = json.to_string().into_bytes();
    json.resize((json.len() + size_of::<u64>()).next_multiple_of(64) - size_of::<u64>(), b' ');
    let mut header = (json.len() as u64).to_le_bytes().to_vec();
    header.extend(json);
    Some(header)
}
