//! The ladder by memory: how much of the method is loaded, by what a bundle needs and what the machine leaves.
//!
//! A device that loads more than it has is killed by the system some night, in the middle of a sentence. So start-up, a
//! reload and `mien doctor` ask [`choose()`] before anything is loaded.

mod choose;

use std::fmt;
use std::str::FromStr;

use mien_models::bundle::Manifest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use choose::{Chosen, Demand, LlmUse, Needs, Wish, choose, choose_here};

/// Which networks are loaded, the fewest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// WavLM and the fusion: voice alone. No camera is opened, no picture looked at.
    AudioOnly,
    /// MA-Net and the face detector as well: voice and face.
    NoLlm,
    /// Everything: voice, face and words.
    Full,
}

impl Rung {
    /// All of them, the highest first.
    pub const ALL: [Self; 3] = [Self::Full, Self::NoLlm, Self::AudioOnly];

    /// The name in settings and outputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::NoLlm => "no-llm",
            Self::AudioOnly => "audio-only",
        }
    }

    /// The highest that a bundle has the networks for.
    pub fn highest(manifest: &Manifest) -> Self {
        if manifest.llm.is_some() { Self::Full } else { Self::NoLlm }
    }

    /// Whether faces are found and embedded.
    pub fn has_face(self) -> bool {
        self >= Self::NoLlm
    }

    /// Whether there is a language model.
    pub fn has_llm(self) -> bool {
        self == Self::Full
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which rung is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RungSetting {
    /// The highest that fits.
    #[default]
    Auto,
    /// Everything, or nothing is started.
    Full,
    /// Voice and face, or nothing is started.
    NoLlm,
    /// Voice alone, or nothing is started.
    AudioOnly,
}

impl RungSetting {
    /// The names that can be given.
    pub const NAMES: [&'static str; 4] = ["auto", "full", "no-llm", "audio-only"];

    /// The one rung that is asked for; none where the machine decides.
    pub fn rung(self) -> Option<Rung> {
        match self {
            Self::Auto => None,
            Self::Full => Some(Rung::Full),
            Self::NoLlm => Some(Rung::NoLlm),
            Self::AudioOnly => Some(Rung::AudioOnly),
        }
    }
}

impl From<Rung> for RungSetting {
    fn from(rung: Rung) -> Self {
        match rung {
            Rung::Full => Self::Full,
            Rung::NoLlm => Self::NoLlm,
            Rung::AudioOnly => Self::AudioOnly,
        }
    }
}

impl FromStr for RungSetting {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let named = Rung::ALL.into_iter().find(|rung| rung.name() == text);
        match (text, named) {
            ("auto", _) => Ok(Self::Auto),
            (_, Some(rung)) => Ok(rung.into()),
            _ => Err(format!("expected one of {}, found {text:?}", Self::NAMES.join(", "))),
        }
    }
}
