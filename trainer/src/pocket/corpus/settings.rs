//! What a corpus depends on, as it stands in the folder's first file.

use std::path::Path;

use mien_models::bundle::Sha256;
use serde::{Deserialize, Serialize};

use super::face::SIDE;
use super::label::{CONTRADICTED, CONTRADICTING, WEIGHTS};
use super::speech::espeak::Espeak;
use super::speech::sound::RATE;
use crate::versioned::{self, Kind};
use crate::{Result, TrainerError};

/// The file's name.
pub(super) const FILE: &str = "settings.toml";
/// Version of the folder's files.
const SCHEMA: u32 = 1;
/// Version of the generator: raised whenever equal settings give other clips.
const GENERATOR: u32 = 1;
/// Most clips of a split.
pub const MOST_CLIPS: usize = 100_000;
/// Clips of train, valid and test where nothing else is wanted.
pub const CLIPS: [usize; 3] = [3000, 500, 600];
/// Pictures a second.
pub(super) const PICTURES: u32 = 5;
const STATEMENT: &str = "synthetic: sentences, voices and faces are made by a program; what is learned or measured on \
                         them says nothing about people";
const KIND: Kind = Kind {
    schema: SCHEMA,
    longest: 1 << 16,
    foreign: "is this a folder of `mien-train pocket corpus`?",
    outdated: "make the corpus anew",
};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CorpusSettings {
    /// Everything that is drawn.
    pub seed: u64,
    /// Clips of train, valid and test; those of a smaller corpus are the first ones of a larger one.
    pub clips: [usize; 3],
}

impl Default for CorpusSettings {
    fn default() -> Self {
        Self { seed: 1, clips: CLIPS }
    }
}

impl CorpusSettings {
    /// Clips of each split where there are `total` in all, in the proportion of [`CLIPS`] and at least one each.
    ///
    /// # Errors
    /// Setting for fewer than three clips.
    pub fn clips_of(total: usize) -> Result<[usize; 3]> {
        if !(3..=3 * MOST_CLIPS).contains(&total) {
            let reason = format!("expected 3 to {}, found {total}", 3 * MOST_CLIPS);
            return Err(TrainerError::setting("clips", reason));
        }
        let all: usize = CLIPS.iter().sum();
        let [valid, test] = [CLIPS[1], CLIPS[2]].map(|share| (total * share / all).max(1));
        Ok([total - valid - test, valid, test])
    }

    /// Holds the numbers of clips against what can be.
    ///
    /// # Errors
    /// Setting.
    pub(super) fn check(&self) -> Result<()> {
        match self.clips.iter().find(|n| !(1..=MOST_CLIPS).contains(*n)) {
            None => Ok(()),
            Some(found) => {
                let reason = format!("expected 1 to {MOST_CLIPS} for each of train, valid and test, found {found}");
                Err(TrainerError::setting("clips", reason))
            }
        }
    }
}

/// Everything that the clips depend on, and what a reader should know of how they are made.
///
/// Equal settings give equal bytes on one machine. On another one digests may differ although the settings are equal:
/// the last bits of sines, exponentials and Fourier transforms are the processor's and the C library's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeBy {
    schema: u32,
    created_by: String,
    statement: String,
    generator: u32,
    /// Everything that is drawn.
    pub seed: u64,
    /// Clips of train, valid and test.
    pub clips: [usize; 3],
    /// Version of espeak-ng.
    pub espeak: String,
    /// SHA-256 of a few words as all of its voices say them: another build or other data of the same version show here.
    espeak_probe: Sha256,
    sound_hz: u32,
    pictures_a_second: u32,
    picture_side: u32,
    contradicting: f64,
    weights: [f64; 3],
    contradicted_weights: [f64; 3],
}

impl MadeBy {
    pub(super) fn new(settings: &CorpusSettings, espeak: &Espeak) -> Self {
        Self {
            schema: SCHEMA,
            created_by: concat!("mien-train ", env!("CARGO_PKG_VERSION")).into(),
            statement: STATEMENT.into(),
            generator: GENERATOR,
            seed: settings.seed,
            clips: settings.clips,
            espeak: espeak.version().into(),
            espeak_probe: espeak.probe(),
            sound_hz: RATE,
            pictures_a_second: PICTURES,
            picture_side: SIDE,
            contradicting: CONTRADICTING,
            weights: WEIGHTS,
            contradicted_weights: CONTRADICTED,
        }
    }

    /// Reads the file in `root`; `None` where there is none.
    ///
    /// # Errors
    /// Io; Pocket for a file of another version or that is none.
    pub(super) fn read(root: &Path) -> Result<Option<Self>> {
        let path = root.join(FILE);
        versioned::read(&path, &KIND, |reason| TrainerError::Pocket { path: path.clone(), reason })
    }

    /// The file's text.
    ///
    /// # Errors
    /// Pocket for numbers that TOML cannot hold.
    pub(super) fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| TrainerError::Pocket { path: FILE.into(), reason: e.to_string() })
    }
}
