//! The list of clips to extract: a table that names a recording, a split and a label for each utterance.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mien_runtime::transcript::Transcript;

use crate::data::Split;
use crate::data::corpus::{SPLITS, split_name};
use crate::data::id;
use crate::{Result, TrainerError};

/// Longest table that is read.
const LONGEST: u64 = 256 << 20;
/// Columns that every list has.
const NEEDED: [&str; 4] = ["id", "path", "split", "label"];
/// Columns that a list may have.
const OPTIONAL: [&str; 3] = ["transcript", "face", "speaker"];

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
        let refuse = |reason: String| TrainerError::Format {
            path: path.into(),
            format: "clip list (.csv)",
            reason,
            fix: "expected a UTF-8 table with the columns id, path, split (train, valid, test) and label, and perhaps \
                  transcript, face and speaker",
        };
        let metadata = std::fs::metadata(path).map_err(|e| TrainerError::io(path, "read", e))?;
        if !metadata.is_file() || metadata.len() > LONGEST {
            return Err(refuse(format!("expected a file of at most {LONGEST} bytes")));
        }
        let bytes = std::fs::read(path).map_err(|e| TrainerError::io(path, "read", e))?;
        let mut table = csv::Reader::from_reader(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes));
        let header = table.headers().map_err(|e| refuse(e.to_string()))?.clone();
        let names: Vec<&str> = header.iter().map(str::trim).collect();
        if let Some(unknown) = names.iter().find(|name| !NEEDED.contains(name) && !OPTIONAL.contains(name)) {
            return Err(refuse(format!("it has a column {unknown:?}")));
        }
        if let Some(missing) = NEEDED.iter().find(|name| !names.contains(name)) {
            return Err(refuse(format!("it has no column {missing:?}")));
        }
        let column = |name: &str| names.iter().position(|n| *n == name);
        let mut clips = Vec::new();
        let mut seen = BTreeSet::new();
        for (number, row) in (1..).zip(table.records()) {
            let row = row.map_err(|e| refuse(e.to_string()))?;
            let cell = |name: &str| column(name).and_then(|at| row.get(at)).map(str::trim).filter(|c| !c.is_empty());
            let clip = clip(&cell).map_err(|reason| refuse(format!("row {number}: {reason}")))?;
            if !seen.insert(clip.id.clone()) {
                return Err(refuse(format!("row {number}: the id {} comes twice; each clip has one row", clip.id)));
            }
            clips.push(clip);
        }
        if clips.is_empty() {
            return Err(refuse("it names no clip".into()));
        }
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
fn clip<'a>(cell: &dyn Fn(&str) -> Option<&'a str>) -> std::result::Result<ListedClip, String> {
    let text = |name: &str| cell(name).unwrap_or_default();
    let id = text("id");
    id::check(id)?;
    let split = SPLITS.into_iter().find(|split| split_name(*split) == text("split"));
    let split = split.ok_or_else(|| format!("expected the split train, valid or test, found {:?}", text("split")))?;
    let label: Option<f64> = text("label").parse().ok().filter(|label| (-3.0..=3.0).contains(label));
    let label = label.ok_or_else(|| format!("expected a label from -3 to 3, found {:?}", text("label")))?;
    let path = cell("path").ok_or("it has no path")?;
    let transcript = match cell("transcript") {
        None => None,
        Some(said) => match Transcript::whole(said, &format!("of clip {id}")).map_err(|e| e.to_string())? {
            Transcript::Whole(said) => Some(said).filter(|said| !said.is_empty()),
            Transcript::Timed(_) => None,
        },
    };
    let owned = |name: &str| cell(name).map(str::to_owned);
    let (face, speaker) = (owned("face"), owned("speaker"));
    Ok(ListedClip { id: id.into(), path: path.into(), split, label, transcript, face, speaker })
}
