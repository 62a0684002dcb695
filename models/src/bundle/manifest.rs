//! `manifest.toml`: what a bundle is.

use std::collections::BTreeMap;
use std::path::Path;

use mien_capture::one_line;
use serde::{Deserialize, Serialize};

use super::digest::Sha256;
use super::entry::{FileEntry, Role};
use super::locate::{line_at, line_of, line_text};
use super::memory::MemorySection;
use super::{check, locate, seal};
use crate::face::{CropSettings, FaceSettings, TrackSettings};
use crate::fusion::FusionConfig;
use crate::llama::{LlamaRequirement, MAX_NEW_TOKENS, PROMPT};
use crate::manet::ManetConfig;
use crate::projector::ProjectorConfig;
use crate::wavlm::WavlmConfig;
use crate::{ModelError, Result};

/// The manifest's name in the bundle's folder.
pub const MANIFEST_NAME: &str = "manifest.toml";
/// Version of the manifest's keys; any change of them raises it but a key more that may be left out: without it a manifest
/// says what it said before, and a program that does not know it refuses it by name. Since 2 the first line is a digest.
pub const SCHEMA: u32 = 2;

/// Everything a device must know of a bundle besides the files themselves. Unknown keys are refused everywhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The bundle's name.
    pub name: String,
    /// The bundle's version, free text.
    pub version: String,
    /// Whether the weights mean anything.
    pub trained: bool,
    /// One line said on every output; may be empty where `trained`.
    pub statement: String,
    /// The program that made the bundle.
    pub created_by: String,
    /// Switches of the method.
    pub method: MethodSection,
    /// What the sound must be.
    pub audio: AudioSection,
    /// How faces are found and cut out.
    pub face: FaceSection,
    /// Memory that the bundle needs.
    pub memory: MemorySection,
    /// Sizes of the speech encoder.
    pub wavlm: WavlmConfig,
    /// Sizes of the face encoder.
    pub manet: ManetConfig,
    /// Sizes of the projector.
    pub projector: ProjectorConfig,
    /// Sizes of the fusion network, MIA on or off, its residual, and the padding.
    pub fusion: FusionConfig,
    /// Sizes of the language model; none in a bundle without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llm: Option<LlmSection>,
    /// Half the width of the 90 % interval of a score, by mode (one of [`super::MODES`]); empty where not measured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub interval90: BTreeMap<String, f32>,
    /// Measured errors.
    #[serde(default, rename = "metric", skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// The files.
    #[serde(rename = "file")]
    pub files: Vec<FileEntry>,
}

/// Switches of the method that are no sizes of a network (spec sections 2.1, 2.3 and 2.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodSection {
    /// WavLM block whose output gives the audio rows; 20 of WavLM-Large's 24.
    pub audio_layer: usize,
    /// Hidden states of the language model whose sum represents real text: 1 to its blocks, or from the end -1 (the
    /// output of the final norm), -2, ... The published method sums -4 to -1.
    pub text_layers: Vec<i64>,
    /// Hidden states whose sum is simulated text; the published method takes -4 alone (29 of 32).
    pub simulated_layers: Vec<i64>,
    /// Whether real text keeps the row of the beginning-of-text token.
    pub keep_bos: bool,
    /// What the language model is asked when it listens.
    pub prompt: String,
    /// Beams of the generation; always 1.
    pub beams: u32,
    /// Most tokens that are generated.
    pub max_new_tokens: usize,
}

impl MethodSection {
    /// The published method, with the WavLM block that a network of this depth takes its audio rows from.
    #[must_use]
    pub fn published(audio_layer: usize) -> Self {
        Self {
            audio_layer,
            text_layers: vec![-4, -3, -2, -1],
            simulated_layers: vec![-4],
            keep_bos: true,
            prompt: PROMPT.into(),
            beams: 1,
            max_new_tokens: MAX_NEW_TOKENS,
        }
    }
}

/// What the sound must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioSection {
    /// Samples per second; always 16000.
    pub sample_rate: u32,
    /// Longest utterance in seconds; longer speech is cut into several.
    pub longest_utterance_s: f64,
}

/// How faces are found, followed and cut out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaceSection {
    /// The search in one picture.
    pub finder: FaceSettings,
    /// The face between searches.
    pub track: TrackSettings,
    /// The face as the network's input.
    pub crop: CropSettings,
}

/// Sizes of the language model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LlmSection {
    /// Width of hidden states.
    pub embedding_length: usize,
    /// Number of transformer blocks.
    pub block_count: usize,
    /// Number of tokens.
    pub vocab_size: usize,
    /// Longest sequence it was trained for.
    pub context_length: usize,
    /// Whether it is to be held against the published Vicuna-7B v1.5.
    pub vicuna_7b: bool,
}

impl LlmSection {
    /// What the GGUF file must be.
    #[must_use]
    pub fn requirement(&self) -> LlamaRequirement {
        LlamaRequirement {
            embedding_length: self.embedding_length,
            block_count: Some(self.block_count),
            vocab_size: Some(self.vocab_size),
            vicuna_7b: self.vicuna_7b,
        }
    }
}

/// A measured error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// How it was measured: data, split, padding, batch.
    pub protocol: String,
    /// The mode (one of [`super::MODES`]).
    pub mode: String,
    /// Mean absolute error of the valence.
    pub mae: f64,
    /// Number of clips.
    pub clips: u64,
}

impl Manifest {
    /// Reads a manifest whose first line is the digest of the rest; `path` is for messages.
    ///
    /// # Errors
    /// [`ModelError::Manifest`] naming the line, the key, what was expected and what was found.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        Self::sealed(text, path).map(|(manifest, _)| manifest)
    }

    /// As [`Manifest::parse`], and the digest.
    ///
    /// # Errors
    /// As [`Manifest::parse`].
    pub(super) fn sealed(text: &str, path: &Path) -> Result<(Self, Sha256)> {
        let fault = |line: usize, reason: String| ModelError::Manifest {
            path: path.into(),
            reason: format!("line {line} ({:?}): {}", line_text(text, line), one_line(&reason)),
        };
        let (digest, body) = seal::opened(text).map_err(|reason| fault(1, reason))?;
        // Lines are counted in the file, where the digest's is one more.
        let manifest: Self = toml::from_str(body).map_err(|e| {
            let line = line_at(body, e.span().map_or(0, |span| span.start));
            fault(line + 1, e.message().to_owned())
        })?;
        match check::fault(&manifest) {
            None => Ok((manifest, digest)),
            Some((place, reason)) => {
                let key = check::dotted(&place);
                let steps: Vec<locate::Step<'_>> = place.iter().map(check::Place::step).collect();
                Err(fault(line_of(body, &steps).unwrap_or(1) + 1, format!("{key}: {reason}")))
            }
        }
    }

    /// The manifest as TOML, its digest in the first line.
    ///
    /// # Errors
    /// [`ModelError::Manifest`] for a manifest that [`Manifest::parse`] would refuse.
    pub fn to_toml(&self, path: &Path) -> Result<String> {
        let fault = |reason: String| ModelError::Manifest { path: path.into(), reason: one_line(&reason) };
        if let Some((place, reason)) = check::fault(self) {
            return Err(fault(format!("{}: {reason}", check::dotted(&place))));
        }
        let text = toml::to_string(self).map_err(|e| fault(e.to_string()))?;
        Ok(seal::seal(&text))
    }

    /// The file of `role`; the first one where there may be several.
    #[must_use]
    pub fn file(&self, role: Role) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.role == role)
    }

    /// Half the width of the 90 % interval of a score of `mode` (one of [`super::MODES`]), if it was measured.
    #[must_use]
    pub fn interval90(&self, mode: &str) -> Option<f32> {
        self.interval90.get(mode).copied()
    }
}
