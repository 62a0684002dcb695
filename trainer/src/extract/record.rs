//! What is known of an extracted clip: one small file for each, written after all rows of the clip stand.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mien_capture::regular;
use serde::{Deserialize, Serialize};

use super::list::{ClipList, ListedClip};
use crate::data::corpus::Modality;

/// Longest record that is read: a transcript of 200 tokens and a few notes.
const LONGEST: u64 = 1 << 20;

/// The record of a clip. It holds no times, so that equal extractions give equal bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// Utterance id.
    pub(super) id: String,
    /// SHA-256 of the extraction's provenance: a record that was copied from another extraction counts for nothing.
    pub(super) extraction: String,
    /// What the clip was extracted from.
    pub(super) source: ClipSource,
    pub(super) outcome: Outcome,
}

/// What a clip's rows depend on besides networks and settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClipSource {
    path: String,
    /// Size of the recording; files in a folder are added up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    face: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    face_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transcript: Option<String>,
}

/// What became of a clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Outcome {
    /// Its rows stand.
    Extracted {
        /// Rows of each modality; 0 for one that the clip does not have.
        rows: BTreeMap<Modality, usize>,
        /// What the language model wrote from sound.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        said: Option<String>,
        /// What a reader of the rows should know.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    /// It cannot be extracted.
    Failed {
        /// The error's words.
        reason: String,
    },
}

impl Record {
    /// Reads a record; `None` where there is none, and for bytes that are none: such a clip is extracted again.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let bytes = regular::read(path, LONGEST).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// The record as a line of JSON.
    pub(super) fn to_json(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

impl ClipSource {
    /// What the list says of `clip`, and how large its files are now.
    pub(super) fn of(list: &ClipList, clip: &ListedClip) -> Self {
        Self {
            bytes: size(&list.place(&clip.path)),
            face_bytes: clip.face.as_ref().and_then(|face| size(&list.place(face))),
            ..Self::listed(clip)
        }
    }

    /// What the list says of `clip`.
    fn listed(clip: &ListedClip) -> Self {
        Self {
            path: clip.path.clone(),
            bytes: None,
            face: clip.face.clone(),
            face_bytes: None,
            transcript: clip.transcript.clone(),
        }
    }

    /// Whether the list still says the same of `clip`.
    pub(super) fn is_listed(&self, clip: &ListedClip) -> bool {
        Self { bytes: None, face_bytes: None, ..self.clone() } == Self::listed(clip)
    }

    /// Whether `now` is the same source. A file that has gone is no other file: rows outlive the recordings that they
    /// were made of.
    pub(super) fn is(&self, now: &Self) -> bool {
        let kept = |then: Option<u64>, now: Option<u64>| now.is_none() || now == then;
        let sizes = kept(self.bytes, now.bytes) && kept(self.face_bytes, now.face_bytes);
        sizes && Self { bytes: now.bytes, face_bytes: now.face_bytes, ..self.clone() } == *now
    }
}

/// Bytes of a file, or of the files in a folder; `None` for what cannot be looked at.
fn size(path: &Path) -> Option<u64> {
    let found = fs::metadata(path).ok()?;
    if !found.is_dir() {
        return Some(found.len());
    }
    let mut sum = 0u64;
    for entry in fs::read_dir(path).ok()? {
        sum = sum.saturating_add(fs::metadata(entry.ok()?.path()).ok()?.len());
    }
    Some(sum)
}
