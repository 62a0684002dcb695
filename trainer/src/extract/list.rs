//! The list of clips to extract: a table that names a recording, a split and a label for each utterance.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::data::Split;
use crate::data::table::{Cell, ClipTable, id, split, transcript};

const KIND: ClipTable = ClipTable {
    format: "clip list (.csv)",
    needed: &["id", "path", "split", "label"],
    optional: &["transcript", "face", "speaker"],
    fix: "expected a UTF-8 table with the columns id, path, split (train, valid, test) and label, and perhaps \
          transcript, face and speaker",
};

/// A clip of the list: one utterance.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedClip {
    /// Utterance id, `<video>_<segment>`; it becomes the name of files.
    pub id: String,
    /// The recording as the list names it: a sound file, a film, or a folder of pictures.
    pub path: String,
    /// Train, valid or test.
    pub split: Split,
    /// Sentiment in [-3, 3].
    pub label: f64,
    /// What is said, one line; none where the list does not tell.
    pub transcript: Option<String>,
    /// Pictures that go with a sound file: a picture, or a folder of pictures.
    pub face: Option<String>,
    /// Who speaks.
    pub speaker: Option<String>,
}

/// A list of clips, held against everything that can be wrong before a network is loaded.
#[derive(Clone, Debug)]
pub struct ClipList {
    origin: PathBuf,
    clips: Vec<ListedClip>,
}

impl ClipList {
    /// Reads a table in UTF-8 with commas whose header names the columns `id`, `path`, `split` and `label`, and where
    /// wanted `transcript`, `face` and `speaker`.
    ///
    /// # Errors
    /// Io; Format naming the row: other columns, a split or label that is none, a label outside of [-3, 3], an id that
    /// cannot be a file name or comes twice, a row without a path, a transcript with control characters; a list
    /// without clips.
    pub fn read(path: &Path) -> Result<Self> {
        let clips = KIND.read(path, |cell| clip(cell).map(|clip| (clip.id.clone(), clip)))?;
        Ok(Self { origin: path.into(), clips })
    }

    /// The list's file.
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// The clips in the list's order.
    pub fn clips(&self) -> &[ListedClip] {
        &self.clips
    }

    /// Where a file lies that the list names: paths are taken from the list's folder.
    pub fn place(&self, name: &str) -> PathBuf {
        self.origin.parent().unwrap_or(Path::new("")).join(name)
    }

    /// Whether any clip has a transcript.
    pub fn has_transcripts(&self) -> bool {
        self.clips.iter().any(|clip| clip.transcript.is_some())
    }

    /// Whether any clip has a speaker.
    pub fn has_speakers(&self) -> bool {
        self.clips.iter().any(|clip| clip.speaker.is_some())
    }
}

/// The clip of a row, or what is wrong with it.
fn clip<'a>(cell: Cell<'_, 'a>) -> std::result::Result<ListedClip, String> {
    let id = id(cell)?;
    let split = split(cell)?;
    let label = cell("label").unwrap_or_default();
    let label = label
        .parse()
        .ok()
        .filter(|label| (-3.0..=3.0).contains(label))
        .ok_or_else(|| format!("expected a label from -3 to 3, found {label:?}"))?;
    let path = cell("path").ok_or("it has no path")?;
    let transcript = transcript(cell, &id)?;
    let owned = |name: &str| cell(name).map(str::to_owned);
    let (face, speaker) = (owned("face"), owned("speaker"));
    Ok(ListedClip { id, path: path.into(), split, label, transcript, face, speaker })
}
