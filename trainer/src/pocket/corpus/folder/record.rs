//! What is known of a clip that was made: one small file for each, written after the clip's folder stands.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mien_capture::regular;
use mien_models::bundle::Sha256;
use serde::{Deserialize, Serialize};

use super::super::clip::Clip;

/// Longest record that is read.
const LONGEST: u64 = 1 << 16;

/// The record of a clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// Utterance id.
    pub(super) id: String,
    /// SHA-256 of the corpus' settings: a record of another corpus counts for nothing.
    pub(super) corpus: Sha256,
    /// Length of the sound.
    pub(crate) seconds: f64,
    /// Words a minute.
    pub(crate) rate: u16,
    /// Speech over noise, dB.
    pub(crate) snr: f64,
    /// The files in the clip's folder.
    pub(crate) files: BTreeMap<String, FileMark>,
}

/// Size and digest of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileMark {
    pub(crate) bytes: u64,
    pub(crate) sha256: Sha256,
}

impl Record {
    pub(super) fn of(id: &str, corpus: Sha256, clip: &Clip) -> Self {
        let mark = |bytes: &Vec<u8>| FileMark { bytes: bytes.len() as u64, sha256: Sha256::of(bytes) };
        Self {
            id: id.into(),
            corpus,
            seconds: clip.seconds,
            rate: clip.rate,
            snr: clip.snr,
            files: clip.files.iter().map(|(name, bytes)| (name.clone(), mark(bytes))).collect(),
        }
    }

    /// Reads a record; `None` where there is none, and for bytes that are none.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let found = fs::symlink_metadata(path).ok().filter(|found| found.is_file() && found.len() <= LONGEST)?;
        let bytes = regular::read(path, LONGEST).ok().filter(|bytes| bytes.len() as u64 == found.len())?;
        serde_json::from_slice(&bytes).ok()
    }

    /// The record as a line of JSON.
    pub(super) fn to_json(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Bytes of the clip's files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.values().map(|mark| mark.bytes).sum()
    }
}
