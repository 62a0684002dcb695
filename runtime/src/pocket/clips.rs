//! Clips of the pocket corpus' test split, with what is said in them and how positive they are.

use std::path::PathBuf;

use mien_capture::one_line;
use mien_models::WorkFolder;
use serde::Deserialize;

use super::files::{CLIPS, unpack};
use crate::{Result, RuntimeError};

/// The list's name among [`CLIPS`].
pub const LIST: &str = "list.toml";

/// A clip that no network of the pocket bundle learned from: other voices, other faces, other sentences.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOutClip {
    /// Utterance id, and the name of its folder.
    pub id: String,
    /// What is said.
    pub transcript: String,
    /// The corpus' label, in [-3, 3].
    pub label: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    clip: Vec<HeldOutClip>,
}

/// The clips in a temporary folder, which is removed when this is dropped, or, where the program is killed, when the clips
/// are unpacked next.
pub struct HeldOutClips {
    folder: WorkFolder,
    clips: Vec<HeldOutClip>,
}

impl HeldOutClips {
    /// Unpacks the clips.
    ///
    /// # Errors
    /// [`RuntimeError::Write`] where there is no room for them; [`RuntimeError::Unscorable`] for a list that is none.
    pub fn unpack() -> Result<Self> {
        let clips = listed()?;
        let place = std::env::temp_dir();
        let folder =
            WorkFolder::private(&place, "mien-clips-").map_err(|source| RuntimeError::Write { path: place, source })?;
        unpack(CLIPS, folder.path())?;
        Ok(Self { folder, clips })
    }

    /// The clips in the list's order.
    pub fn clips(&self) -> &[HeldOutClip] {
        &self.clips
    }

    /// The folder with the sound and the pictures of `clip`.
    pub fn path(&self, clip: &HeldOutClip) -> PathBuf {
        self.folder.path().join(&clip.id)
    }
}

/// The clips that the list names.
fn listed() -> Result<Vec<HeldOutClip>> {
    let refuse = |reason: String| RuntimeError::Unscorable { path: LIST.into(), reason };
    let file = CLIPS.iter().find(|file| file.path == LIST);
    let bytes = file.ok_or_else(|| refuse("is not in the program; build it from whole sources".into()))?.bytes;
    let text = std::str::from_utf8(bytes).map_err(|e| refuse(e.to_string()))?;
    let list: List = toml::from_str(text).map_err(|e| refuse(one_line(e.message())))?;
    Ok(list.clip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_clip_has_its_folder_and_a_label_on_the_scale() {
        let held_out = HeldOutClips::unpack().unwrap();
        assert_eq!(held_out.clips().len(), 3);
        for clip in held_out.clips() {
            assert!((-3.0..=3.0).contains(&clip.label) && !clip.transcript.is_empty(), "{clip:?}");
            let media = mien_capture::file::open(&held_out.path(clip)).unwrap();
            assert!(media.audio.is_some() && media.pictures.is_some(), "{clip:?}");
        }
        let folder = held_out.folder.path().to_owned();
        drop(held_out);
        assert!(!folder.exists());
    }
}
