//! The clips of a pocket corpus as stages take them: held against their digests, with what is hidden where a stage may
//! see it.

mod hidden;
mod sound;

use std::path::{Path, PathBuf};

use mien_models::bundle::Sha256;

use super::corpus::{self, LIST};
use crate::data::Split;
use crate::extract::ClipList;
use crate::{Result, TrainerError};

pub use mien_runtime::word_errors::ErrorRate;

/// A clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Utterance id.
    pub id: String,
    /// Its folder.
    pub path: PathBuf,
    /// Train, valid or test.
    pub split: Split,
    /// What is said.
    pub transcript: String,
    /// Hidden valence of the voice, in [-3, 3].
    pub prosody: f64,
    /// Hidden valence of the face, in [-3, 3].
    pub face: f64,
}

/// The clips of a corpus.
#[derive(Clone, Debug)]
pub struct Clips {
    digest: Sha256,
    clips: Vec<Clip>,
}

impl Clips {
    /// The clips of the corpus in `root`, every file of which is as it was made.
    ///
    /// # Errors
    /// What [`corpus::verify`] raises: Pocket naming the first file that was changed, is missing or is foreign; Format for
    /// tables that are none.
    pub fn open(root: &Path) -> Result<Self> {
        let digest = corpus::verify(root)?.digest;
        let list = ClipList::read(&root.join(LIST))?;
        let hidden = hidden::read(root)?;
        let clip = |listed: &crate::extract::ListedClip| {
            let of = |what: &str| {
                let reason = format!("{what} of the clip {} is not told; is this a pocket corpus?", listed.id);
                TrainerError::Pocket { path: root.join(LIST), reason }
            };
            let (prosody, face) = *hidden.get(&listed.id).ok_or_else(|| of("what is hidden"))?;
            Ok::<_, TrainerError>(Clip {
                id: listed.id.clone(),
                path: list.place(&listed.path),
                split: listed.split,
                transcript: listed.transcript.clone().ok_or_else(|| of("the transcript"))?,
                prosody,
                face,
            })
        };
        Ok(Self { digest, clips: list.clips().iter().map(clip).collect::<Result<_>>()? })
    }

    /// The corpus' digest.
    pub fn digest(&self) -> Sha256 {
        self.digest
    }

    /// The clips of `split` in the list's order.
    pub fn of(&self, split: Split) -> Vec<&Clip> {
        self.clips.iter().filter(|clip| clip.split == split).collect()
    }
}
