//! The files of a bundle: what each one is for, where it lies, and what it must be.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::check::deceives;
use super::digest::Sha256;
use super::manifest::MANIFEST_NAME;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Graph of the speech encoder.
    Wavlm,
    /// Weights that [`Role::Wavlm`] names.
    WavlmWeights,
    /// Graph of the face encoder.
    Manet,
    /// Weights that [`Role::Manet`] names.
    ManetWeights,
    /// Graph of the map from speech frames to rows of the language model.
    Projector,
    /// Weights that [`Role::Projector`] names.
    ProjectorWeights,
    /// Graph of the fusion network.
    Fusion,
    /// Weights that [`Role::Fusion`] names.
    FusionWeights,
    /// Language model, GGUF.
    Llm,
    /// Model of the face detector.
    FaceDetector,
    /// Text of a licence that must go with another file; there may be several.
    Licence,
}

impl Role {
    /// Files without which no bundle can score.
    pub(super) const REQUIRED: [Self; 9] = [
        Self::Wavlm,
        Self::WavlmWeights,
        Self::Manet,
        Self::ManetWeights,
        Self::Projector,
        Self::ProjectorWeights,
        Self::Fusion,
        Self::FusionWeights,
        Self::FaceDetector,
    ];

    /// Each graph and the file of its weights, which has the graph's name with the ending `weights`.
    pub(super) const WEIGHTED: [(Self, Self); 4] = [
        (Self::Wavlm, Self::WavlmWeights),
        (Self::Manet, Self::ManetWeights),
        (Self::Projector, Self::ProjectorWeights),
        (Self::Fusion, Self::FusionWeights),
    ];

    /// The name in the manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wavlm => "wavlm",
            Self::WavlmWeights => "wavlm_weights",
            Self::Manet => "manet",
            Self::ManetWeights => "manet_weights",
            Self::Projector => "projector",
            Self::ProjectorWeights => "projector_weights",
            Self::Fusion => "fusion",
            Self::FusionWeights => "fusion_weights",
            Self::Llm => "llm",
            Self::FaceDetector => "face_detector",
            Self::Licence => "licence",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a file lies: below the bundle's folder, or, for the language model alone, anywhere.
///
/// A path below the folder has parts between single slashes on every system; none is empty, `.` or `..`, and none holds
/// a backslash, a colon, a control character or a mark that turns the direction of writing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct BundlePath(String);

impl BundlePath {
    /// Whether the file lies outside the folder, under an absolute path.
    #[must_use]
    pub fn is_external(&self) -> bool {
        Path::new(&self.0).is_absolute()
    }

    /// The path as the manifest writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of the file when the bundle lies in `folder`.
    #[must_use]
    pub fn within(&self, folder: &Path) -> PathBuf {
        // `join` gives an absolute path back unchanged.
        folder.join(&self.0)
    }
}

impl fmt::Display for BundlePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<BundlePath> for String {
    fn from(path: BundlePath) -> Self {
        path.0
    }
}

impl TryFrom<String> for BundlePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let refuse = |expected: &str| Err(format!("path: expected {expected}, found {text:?}"));
        if text.is_empty() || text.len() > 4096 || text.chars().any(deceives) {
            return refuse("1 to 4096 bytes without control characters");
        }
        if Path::new(&text).is_absolute() {
            return Ok(Self(text));
        }
        if text.contains(['\\', ':']) || text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return refuse("a path below the bundle's folder, its parts between single slashes, none of them . or ..");
        }
        if text == MANIFEST_NAME {
            return refuse("another file than the manifest itself");
        }
        Ok(Self(text))
    }
}

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// What it is for.
    pub role: Role,
    /// Where it lies.
    pub path: BundlePath,
    /// Its digest.
    pub sha256: Sha256,
    /// Its size.
    pub bytes: u64,
    /// SPDX name of its licence, or a few words.
    pub licence: String,
    /// Where it comes from.
    pub source: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn paths_that_leave_the_folder_are_refused() {
        for bad in ["", ".", "..", "../x", "a/../b", "a/./b", "a//b", "a/", "a\\b", "c:x", "a\nb", "manifest.toml"] {
            let fault = BundlePath::try_from(bad.to_owned()).unwrap_err();
            assert!(fault.starts_with("path: expected") && fault.contains(&format!("{bad:?}")), "{fault}");
        }
        for good in ["wavlm.onnx", "licences/face detector.txt", "..a/b..", "é/x"] {
            let path = BundlePath::try_from(good.to_owned()).unwrap();
            assert!(!path.is_external() && path.within(Path::new("/b")) == Path::new("/b").join(good));
        }
    }

    #[test]
    fn a_path_that_shows_as_another_one_is_refused() {
        let fault = BundlePath::try_from(String::from("a\u{202e}b")).unwrap_err();
        assert!(fault.contains("without control characters") && fault.contains("\\u{202e}"), "{fault}");
    }

    #[test]
    fn an_absolute_path_is_external() {
        let path = BundlePath::try_from(String::from("/models/vicuna.gguf")).unwrap();
        assert!(path.is_external());
        assert_eq!(path.within(Path::new("/bundle")), Path::new("/models/vicuna.gguf"));
    }

    #[test]
    fn names_are_the_manifests() {
        for role in Role::REQUIRED.into_iter().chain([Role::Llm, Role::Licence]) {
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
        }
    }
}
