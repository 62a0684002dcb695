//! Opening a store and reading batches through its memory maps.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use mien_capture::regular;
use mien_models::bundle::Sha256;
use mien_models::tensor::NamedTensors;
use rayon::prelude::*;

use super::super::batch::{Batch, Stream};
use super::super::corpus::{Modality, SPLITS, split_name};
use super::super::source::{ClipLengths, Source, Split};
use super::format::{Cover, CoverVersion, FORMAT, FileEntry, INDEX_NAME, Index, SCHEMA, STORE_NAME, SplitIndex};
use crate::{Result, TrainerError};

/// Most bytes of `store.json`.
const LONGEST_COVER: u64 = 1 << 16;
/// Most bytes of `index.json`; MOSEI's takes 5 MB with transcripts.
const LONGEST_INDEX: u64 = 1 << 30;

/// A feature store, opened. Row files are mapped, so pages are read when a batch touches them.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    name: String,
    digest: String,
    index: Index,
    widths: [usize; 3],
    /// By split.
    parts: [Part; 3],
}

/// A split.
#[derive(Debug)]
struct Part {
    lengths: Vec<ClipLengths>,
    /// By modality; none where the corpus has no such rows.
    rows: [Option<Rows>; 4],
}

/// A row file.
#[derive(Debug)]
struct Rows {
    tensors: NamedTensors,
    /// First row of each clip.
    starts: Vec<usize>,
    width: usize,
}

/// What is wrong with a file of a store.
#[derive(Debug)]
pub struct Fault {
    /// The file.
    pub path: PathBuf,
    /// Expected and found.
    pub reason: String,
}

impl Store {
    /// Opens the store at `path`: the index is held against its digest, row files against their sizes and shapes.
    ///
    /// # Errors
    /// Store when it is another version, no store, or damaged; Io; Model for a row file that is no safetensors file.
    pub fn open(path: &Path) -> Result<Self> {
        let refuse = |name: &str, reason: String| TrainerError::Store { path: path.join(name), reason };
        let cover = read(path, STORE_NAME, LONGEST_COVER)?;
        let no_store =
            |e: serde_json::Error| refuse(STORE_NAME, format!("{e}; is this a store made by mien-train import?"));
        let version: CoverVersion = serde_json::from_slice(&cover).map_err(no_store)?;
        if version.format != FORMAT || version.schema != SCHEMA {
            let found = format!("{:?} version {}", version.format, version.schema);
            return Err(refuse(
                STORE_NAME,
                format!(
                    "expected {FORMAT:?} version {SCHEMA}, found {found}; import the corpus again with this program"
                ),
            ));
        }
        let found: Cover = serde_json::from_slice(&cover).map_err(no_store)?;
        let bytes = read(path, INDEX_NAME, LONGEST_INDEX)?;
        let entry = &found.index;
        if entry.path != INDEX_NAME || entry.bytes != bytes.len() as u64 || entry.sha256 != Sha256::of(&bytes) {
            return Err(refuse(
                INDEX_NAME,
                "its digest is not the one in store.json; the store was changed or not copied whole: copy or import it again".into(),
            ));
        }
        let index: Index = serde_json::from_slice(&bytes).map_err(|e| refuse(INDEX_NAME, e.to_string()))?;
        let width = |modality| {
            index
                .width(modality)
                .filter(|w| *w > 0)
                .ok_or_else(|| refuse(INDEX_NAME, format!("no {modality} rows in the store")))
        };
        let widths = [width(Modality::Audio)?, width(Modality::Text)?, width(Modality::Video)?];
        if width(Modality::Simulated)? != widths[1] {
            return Err(refuse(INDEX_NAME, "real and simulated text have different widths".into()));
        }
        let part = |split| Part::open(path, &index, split);
        let parts = [part(Split::Train)?, part(Split::Valid)?, part(Split::Test)?];
        let name = path.display().to_string();
        let digest = index.content_digest().map_err(|e| refuse(INDEX_NAME, e.to_string()))?.to_string();
        Ok(Self { path: path.into(), name, digest, index, widths, parts })
    }

    /// What the store says of itself.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The store's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Files of the store with their entries, in the order of splits and modalities.
    pub fn files(&self) -> Vec<&FileEntry> {
        SPLITS.iter().flat_map(|split| self.index.split(*split).files.values()).collect()
    }

    /// Reads the file of `entry` and holds it against its digest; `None` when it holds.
    pub fn verify(&self, entry: &FileEntry) -> Option<Fault> {
        let path = self.path.join(&entry.path);
        let reason = match Sha256::of_file(&path) {
            Ok((bytes, digest)) if bytes == entry.bytes && digest == entry.sha256 => return None,
            Ok(_) => "its digest is not the one in the index; copy or import the store again".into(),
            Err(e) => e.to_string(),
        };
        Some(Fault { path, reason })
    }

    /// The rows of one clip, `None` for a modality that the store has no rows of.
    ///
    /// # Errors
    /// Store for a clip number past the end.
    pub fn rows(&self, split: Split, clip: usize, modality: Modality) -> Result<Option<Vec<f32>>> {
        let part = self.part(split);
        let Some(rows) = part.rows.get(modality as usize).and_then(Option::as_ref) else { return Ok(None) };
        let length = part.lengths.get(clip).and_then(|lengths| lengths.get(modality as usize));
        let length = *length.ok_or_else(|| self.past_the_end(split, clip))?;
        let mut values = vec![0.0; length * rows.width];
        rows.read(clip, &mut values)?;
        Ok(Some(values))
    }

    fn part(&self, split: Split) -> &Part {
        match split {
            Split::Train => &self.parts[0],
            Split::Valid => &self.parts[1],
            Split::Test => &self.parts[2],
        }
    }

    fn past_the_end(&self, split: Split, clip: usize) -> TrainerError {
        let (split, clips) = (split_name(split), self.len(split));
        TrainerError::Store {
            path: self.path.clone(),
            reason: format!("clip number {clip} was asked for, {split} has {clips} clips"),
        }
    }

    fn stream(&self, split: Split, clips: &[usize], modality: Modality, width: usize) -> Result<Stream> {
        let part = self.part(split);
        let mut lengths = Vec::with_capacity(clips.len());
        for &clip in clips {
            let length = part.lengths.get(clip).and_then(|lengths| lengths.get(modality as usize));
            lengths.push(*length.ok_or_else(|| self.past_the_end(split, clip))?);
        }
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut values = vec![0.0; clips.len() * longest * width];
        if let Some(rows) = part.rows.get(modality as usize).and_then(Option::as_ref) {
            // By several threads: one converts a large batch slower than a graphics processor trains on it.
            clips.par_iter().zip(&lengths).zip(values.par_chunks_mut((longest * width).max(1))).try_for_each(
                |((&clip, &length), padded)| {
                    let valid = padded.get_mut(..length * width).unwrap_or_default();
                    rows.read(clip, valid)?;
                    if valid.iter().fold(false, |bad, v| bad | !v.is_finite()) {
                        let id = self.index.split(split).ids.get(clip).map_or("", String::as_str);
                        return Err(TrainerError::Store {
                            path: self.path.clone(),
                            reason: format!(
                                "{modality} rows of clip {id} hold NaN or infinities; run mien-train data check"
                            ),
                        });
                    }
                    Ok(())
                },
            )?;
        }
        Ok(Stream { rows: values, lengths, longest, width })
    }
}

impl Source for Store {
    fn name(&self) -> &str {
        &self.name
    }

    fn digest(&self) -> &str {
        &self.digest
    }

    fn widths(&self) -> [usize; 3] {
        self.widths
    }

    fn lengths(&self, split: Split) -> &[ClipLengths] {
        &self.part(split).lengths
    }

    fn batch(&self, split: Split, clips: &[usize]) -> Result<Batch> {
        let [audio, text, video] = self.widths;
        let index = self.index.split(split);
        let mut ids = Vec::with_capacity(clips.len());
        let mut labels = Vec::with_capacity(clips.len());
        for &clip in clips {
            let (Some(id), Some(label)) = (index.ids.get(clip), index.labels.get(clip)) else {
                return Err(self.past_the_end(split, clip));
            };
            ids.push(id.clone());
            labels.push(*label);
        }
        Ok(Batch {
            ids,
            audio: self.stream(split, clips, Modality::Audio, audio)?,
            text: self.stream(split, clips, Modality::Text, text)?,
            simulated: self.stream(split, clips, Modality::Simulated, text)?,
            video: self.stream(split, clips, Modality::Video, video)?,
            labels,
        })
    }
}

impl Part {
    fn open(path: &Path, index: &Index, split: Split) -> Result<Self> {
        let part = index.split(split);
        check(path, part, split)?;
        let mut lengths: Vec<ClipLengths> = vec![[1; 4]; part.ids.len()];
        let mut rows = [None, None, None, None];
        for ((place, modality), slot) in Modality::ALL.into_iter().enumerate().zip(&mut rows) {
            let Some(entry) = index.modalities.get(&modality) else { continue };
            let fault = |reason: String| TrainerError::Store {
                path: path.join(INDEX_NAME),
                reason: format!("{}: {modality}: {reason}; import the corpus again", split_name(split)),
            };
            let (Some(file), Some(found)) = (part.files.get(&modality), part.lengths.get(&modality)) else {
                return Err(fault("no file or no lengths".into()));
            };
            if found.len() != part.ids.len() || found.contains(&0) {
                return Err(fault("expected a length of at least 1 for each clip".into()));
            }
            for (lengths, &length) in lengths.iter_mut().zip(found) {
                if let Some(slot) = lengths.get_mut(place) {
                    *slot = length;
                }
            }
            *slot = Some(Rows::open(path, file, found, entry.width)?);
        }
        Ok(Self { lengths, rows })
    }
}

/// Holds the lists of a split against each other and against the rules of a corpus.
fn check(path: &Path, part: &SplitIndex, split: Split) -> Result<()> {
    let refuse = |reason: String| TrainerError::Store {
        path: path.join(INDEX_NAME),
        reason: format!("{}: {reason}; import the corpus again", split_name(split)),
    };
    let clips = part.ids.len();
    if clips == 0 {
        return Err(refuse("the split is empty".into()));
    }
    let optional = [&part.speakers, &part.transcripts];
    if part.labels.len() != clips || optional.iter().any(|list| list.as_ref().is_some_and(|l| l.len() != clips)) {
        return Err(refuse("labels, speakers or transcripts are not as many as ids".into()));
    }
    if let Some((id, label)) = part.ids.iter().zip(&part.labels).find(|(_, l)| !(-3.0..=3.0).contains(*l)) {
        return Err(refuse(format!("clip {id} has the label {label}, expected -3 to 3")));
    }
    let mut seen = BTreeSet::new();
    match part.ids.iter().find(|id| !seen.insert(id.as_str())) {
        Some(twice) => Err(refuse(format!("the id {twice} comes twice"))),
        None => Ok(()),
    }
}

impl Rows {
    fn open(folder: &Path, entry: &FileEntry, lengths: &[usize], width: usize) -> Result<Self> {
        let path = folder.join(&entry.path);
        let refuse = |reason: String| TrainerError::Store {
            path: path.clone(),
            reason: format!("{reason}; the store was changed or not copied whole: copy or import it again"),
        };
        let plain = Path::new(&entry.path).file_name().is_some_and(|name| name == entry.path.as_str());
        if !plain {
            return Err(refuse("expected a file in the store's folder".into()));
        }
        let bytes = fs::metadata(&path).map_err(|e| TrainerError::io(&path, "read", e))?.len();
        if bytes != entry.bytes {
            return Err(refuse(format!("it has {bytes} bytes, expected {}", entry.bytes)));
        }
        let tensors = NamedTensors::open(&path)?;
        let mut starts = Vec::with_capacity(lengths.len());
        let mut rows = 0usize;
        for &length in lengths {
            starts.push(rows);
            rows = rows.checked_add(length).ok_or_else(|| refuse("too many rows".into()))?;
        }
        let offsets = tensors.integers("offsets", &[lengths.len() + 1])?;
        let expected = starts.iter().copied().chain([rows]);
        if !offsets.iter().map(|&n| usize::try_from(n).ok()).eq(expected.map(Some)) {
            return Err(refuse("its offsets are not those of the index".into()));
        }
        if tensors.shape("data") != Some(&[rows, width]) {
            let found = tensors.shape("data");
            return Err(refuse(format!("its data has shape {found:?}, expected {:?}", [rows, width])));
        }
        if !matches!(tensors.element_type("data").as_deref(), Some("f16" | "f32")) {
            return Err(refuse("its rows are neither f16 nor f32".into()));
        }
        Ok(Self { tensors, starts, width })
    }

    /// Reads as many numbers as `out` holds, from the clip's first row on.
    fn read(&self, clip: usize, out: &mut [f32]) -> Result<()> {
        let start = self.starts.get(clip).copied().unwrap_or(usize::MAX / self.width.max(1));
        Ok(self.tensors.read_into("data", start.saturating_mul(self.width), out)?)
    }
}

fn read(folder: &Path, name: &str, longest: u64) -> Result<Vec<u8>> {
    let path = folder.join(name);
    regular::read(&path, longest).map_err(|e| {
        let reason = match e.kind() {
            ErrorKind::NotFound => "the file is missing; give a folder made by mien-train import".into(),
            ErrorKind::InvalidInput | ErrorKind::FileTooLarge => format!("{e}; is this a feature store?"),
            _ => return TrainerError::io(&path, "read", e),
        };
        TrainerError::Store { path: path.clone(), reason }
    })
}
