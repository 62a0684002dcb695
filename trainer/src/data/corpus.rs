//! A corpus as an importer sees it: labelled clips, and where the rows of each come from.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::npy::{Extent, Matrix};
use super::source::Split;
use crate::Result;

/// The splits in their usual order.
pub const SPLITS: [Split; 3] = [Split::Train, Split::Valid, Split::Test];

/// A split's name in files and on the command line.
pub fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "train",
        Split::Valid => "valid",
        Split::Test => "test",
    }
}

/// One of the four kinds of rows of a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// WavLM rows.
    Audio,
    /// Rows of the real text (LLM_f).
    Text,
    /// Rows of the simulated text (LLM_g).
    Simulated,
    /// MA-Net rows.
    Video,
}

impl Modality {
    /// All of them, in the order of [`super::source::ClipLengths`].
    pub const ALL: [Self; 4] = [Self::Audio, Self::Text, Self::Simulated, Self::Video];

    /// Its name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Text => "text",
            Self::Simulated => "simulated",
            Self::Video => "video",
        }
    }
}

impl fmt::Display for Modality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Modality {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|m| m.name() == text)
            .ok_or_else(|| format!("expected audio, text, simulated or video, found {text:?}"))
    }
}

/// A labelled clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Utterance id, `<video>_<segment>`.
    pub id: String,
    /// Sentiment; a corpus hands on what its file holds, the importer checks it.
    pub label: f64,
    /// Who speaks, where the corpus tells.
    pub speaker: Option<String>,
    /// What is said, where the corpus tells.
    pub transcript: Option<String>,
}

impl Clip {
    /// No clip.
    pub(crate) const NONE: Self = Self { id: String::new(), label: f64::NAN, speaker: None, transcript: None };
}

/// A corpus in some layout.
pub trait Corpus: Sync {
    /// Where it comes from, for messages and for the store.
    fn origin(&self) -> String;

    /// The clips of a split in the corpus's own order.
    fn clips(&self, split: Split) -> &[Clip];

    /// The modalities that the corpus has rows of, each with the name of its features.
    fn modalities(&self) -> BTreeMap<Modality, String>;

    /// Size of a clip's rows without reading them; `None` for a clip without rows of that modality.
    ///
    /// # Errors
    /// What is wrong with the files that hold them.
    fn extent(&self, split: Split, clip: usize, modality: Modality) -> Result<Option<Extent>>;

    /// A clip's rows.
    ///
    /// # Errors
    /// What is wrong with the files that hold them.
    fn rows(&self, split: Split, clip: usize, modality: Modality) -> Result<Matrix>;

    /// What else is worth telling about the corpus: keys that were passed over, numbers that were replaced.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
}
