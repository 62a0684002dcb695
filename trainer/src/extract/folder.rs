//! The folder that an extraction writes: the plain layout, and what is known of each clip.
//!
//! ```text
//! extraction.toml           what the rows are made by; written first, never changed
//! <modality>/<id>.npy       rows
//! records/<id>.json         what became of the clip; written after its rows
//! clips.csv                 the layout's table; there only while no clip is open
//! .work/<i>-of-<n>/         one machine's half-written files and its lock
//! ```
//!
//! Every file is written under another name, brought to the disk and renamed, so that processes that write the same
//! clip (two machines with different shards) replace whole files by whole files.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::list::{ClipList, ListedClip};
use super::record::{ClipSource, Outcome, Record};
use super::shard::Shard;
use crate::data::corpus::{Modality, split_name};
use crate::data::npy;
use crate::data::plain::TABLE;
use crate::data::provenance::{self, Provenance};
use crate::desk::{Desk, create, remove};
use crate::{Result, TrainerError};

const RECORDS: &str = "records";
const WORK: &str = ".work";

/// How a clip stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Status {
    /// All of its rows stand; how many of each modality.
    Extracted(BTreeMap<Modality, usize>),
    /// It could not be extracted, and why.
    Failed(String),
    /// It is still to be extracted.
    Open,
}

/// A folder in which clips are extracted.
pub(super) struct Folder {
    root: PathBuf,
    /// Where files are written before they are renamed.
    desk: Desk,
    provenance: Provenance,
    digest: String,
}

impl Folder {
    /// Opens `root` for an extraction with `provenance`: a new folder, or one in which the same extraction was begun.
    ///
    /// # Errors
    /// ExtractionChanged; Extraction for a folder that holds something else, and while another process extracts the
    /// same shard; Io.
    pub(super) fn begin(root: &Path, provenance: Provenance, shard: Shard) -> Result<Self> {
        // Listed before the provenance is looked for: another machine writes that before any other file.
        let foreign = foreign(root)?;
        let saved = Provenance::read(root)?;
        if let (None, Some(found)) = (&saved, foreign) {
            let reason = format!("it holds {found:?} and no {}; extract into a new folder", provenance::FILE);
            return Err(TrainerError::Extraction { path: root.into(), reason });
        }
        if let Some(saved) = &saved {
            refuse_change(root, saved, &provenance)?;
        }
        let desk = Desk::alone(root.join(WORK).join(shard.name()), |path| TrainerError::Extraction {
            path,
            reason: format!("another process extracts shard {shard} here; wait for it, or give each its own --shard"),
        })?;
        let digest = provenance.digest()?.to_string();
        Ok(Self { root: root.into(), desk, digest, provenance })
    }

    /// Says what the rows will be made by, if that is not said yet, and makes room for them. Networks are loaded
    /// before, so that a bundle that cannot be used binds nobody to it.
    ///
    /// # Errors
    /// ExtractionChanged where another machine was faster; Io.
    pub(super) fn make_room(&self) -> Result<()> {
        self.desk.put_first(&self.root.join(provenance::FILE), self.provenance.to_toml()?.as_bytes())?;
        if let Some(saved) = Provenance::read(&self.root)? {
            refuse_change(&self.root, &saved, &self.provenance)?;
        }
        let names = self.provenance.modalities.iter().map(|modality| modality.name());
        names.chain([RECORDS]).try_for_each(|name| create(&self.root.join(name)))
    }

    /// Opens the extraction in `root` to look at it and to write its table.
    ///
    /// # Errors
    /// Extraction where none was begun; Io.
    pub(super) fn open(root: &Path) -> Result<Self> {
        let Some(provenance) = Provenance::read(root)? else {
            let reason = format!("there is no {}; give the folder of an extraction", provenance::FILE);
            return Err(TrainerError::Extraction { path: root.into(), reason });
        };
        let desk = Desk::shared(root.join(WORK).join("collect"))?;
        let digest = provenance.digest()?.to_string();
        Ok(Self { root: root.into(), desk, digest, provenance })
    }

    /// What the rows are made by.
    pub(super) fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// How `clip` stands by its record and the rows beside it.
    pub(super) fn status(&self, clip: &ListedClip) -> Status {
        match Record::read(&self.record(&clip.id)) {
            Some(record) if self.is_mine(&record, clip) && record.source.is_listed(clip) => self.judged(record),
            _ => Status::Open,
        }
    }

    /// Whether the rows of `clip` stand and were made of the files that the list names now.
    pub(super) fn holds(&self, clip: &ListedClip, source: &ClipSource) -> bool {
        match Record::read(&self.record(&clip.id)) {
            Some(record) if self.is_mine(&record, clip) && record.source.is(source) => {
                matches!(self.judged(record), Status::Extracted(_))
            }
            _ => false,
        }
    }

    fn is_mine(&self, record: &Record, clip: &ListedClip) -> bool {
        record.id == clip.id && record.extraction == self.digest
    }

    fn judged(&self, record: Record) -> Status {
        match record.outcome {
            Outcome::Failed { reason } => Status::Failed(reason),
            Outcome::Extracted { rows, .. } => {
                let complete = rows.keys().eq(self.modalities().iter());
                let stands = |(modality, &rows): (&Modality, &usize)| {
                    npy::extent(&self.rows(*modality, &record.id)).is_ok_and(|extent| extent.rows == rows)
                };
                if complete && rows.iter().all(stands) { Status::Extracted(rows) } else { Status::Open }
            }
        }
    }

    /// Modalities in their usual order.
    fn modalities(&self) -> Vec<Modality> {
        let mut modalities = self.provenance.modalities.clone();
        modalities.sort_unstable();
        modalities
    }

    /// Forgets `clip`: it is to be extracted anew. Without this its record could later be taken for that of newer rows.
    ///
    /// # Errors
    /// Io.
    pub(super) fn forget(&self, clip: &ListedClip) -> Result<()> {
        remove(&self.record(&clip.id))
    }

    /// Puts the rows of a clip in their places: for each modality the bytes of its file.
    ///
    /// # Errors
    /// Io, as when the disk is full; no file is then half-written under its name.
    pub(super) fn put_rows(&self, clip: &ListedClip, files: &BTreeMap<Modality, Vec<u8>>) -> Result<()> {
        files.iter().try_for_each(|(modality, bytes)| self.desk.put(&self.rows(*modality, &clip.id), bytes))
    }

    /// Puts down what became of a clip, after its rows.
    ///
    /// # Errors
    /// Io.
    pub(super) fn put_record(&self, clip: &ListedClip, source: ClipSource, outcome: Outcome) -> Result<()> {
        let path = self.record(&clip.id);
        let record = Record { id: clip.id.clone(), extraction: self.digest.clone(), source, outcome };
        let bytes = record.to_json().map_err(|e| TrainerError::io(&path, "write", e))?;
        self.desk.put(&path, &bytes)
    }

    /// Takes the table away: a clip is open.
    ///
    /// # Errors
    /// Io.
    pub(super) fn remove_table(&self) -> Result<()> {
        remove(&self.root.join(TABLE))
    }

    /// Writes the table of the layout with `clips`.
    ///
    /// # Errors
    /// Io.
    pub(super) fn put_table(&self, list: &ClipList, clips: &[&ListedClip]) -> Result<PathBuf> {
        let path = self.root.join(TABLE);
        let (speakers, texts) = (list.has_speakers(), list.has_transcripts());
        let mut table = csv::Writer::from_writer(Vec::new());
        let optional = |wanted: bool, cell: Option<&str>| wanted.then(|| cell.unwrap_or_default().to_owned());
        let mut row = |cells: [String; 3], speaker: Option<&str>, text: Option<&str>| {
            table.write_record(cells.into_iter().chain(optional(speakers, speaker)).chain(optional(texts, text)))
        };
        let mut written = row(["id", "split", "label"].map(str::to_owned), Some("speaker"), Some("text"));
        for clip in clips {
            let cells = [clip.id.clone(), split_name(clip.split).to_owned(), clip.label.to_string()];
            written = written.and_then(|()| row(cells, clip.speaker.as_deref(), clip.transcript.as_deref()));
        }
        let failed = |e| TrainerError::io(&path, "write", e);
        written.map_err(|e| failed(e.into()))?;
        let bytes = table.into_inner().map_err(|e| failed(std::io::Error::other(e.to_string())))?;
        self.desk.put(&path, &bytes)?;
        Ok(path)
    }

    fn rows(&self, modality: Modality, id: &str) -> PathBuf {
        self.root.join(modality.name()).join(format!("{id}.npy"))
    }

    fn record(&self, id: &str) -> PathBuf {
        self.root.join(RECORDS).join(format!("{id}.json"))
    }
}

/// The first name in `root` that is none of a begun extraction's; `None` for an empty or missing folder.
fn foreign(root: &Path) -> Result<Option<String>> {
    let entries = match fs::read_dir(root) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(|e| TrainerError::io(root, "read", e))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(|e| TrainerError::io(root, "read", e))?.file_name().to_string_lossy().into_owned());
    }
    Ok(names.into_iter().filter(|name| name != WORK && name != provenance::FILE).min())
}

fn refuse_change(root: &Path, saved: &Provenance, now: &Provenance) -> Result<()> {
    match saved.difference(now) {
        None => Ok(()),
        Some((key, saved, now)) => {
            Err(TrainerError::ExtractionChanged { path: root.join(provenance::FILE), key, saved, now })
        }
    }
}
