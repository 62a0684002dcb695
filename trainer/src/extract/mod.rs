//! From clips to rows, by the code that the device runs.
//!
//! [`ClipList`] names the clips, each of them one utterance. [`extract`] takes them through the networks of a bundle
//! and writes the plain layout of [`crate::data::plain`], which an import takes as it stands. It can be killed and
//! started again at any moment, and several machines can share the work: a clip counts as done when its record stands,
//! which is written after its rows.

mod folder;
mod list;
mod record;
mod shard;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mien_models::tensor::Tensor;
use mien_runtime::RuntimeError;
use mien_runtime::clip::clip_features;
use mien_runtime::default_bundle::ChosenBundle;
use mien_runtime::record::BundleMark;
use mien_runtime::scorer::{BundleFacts, Features, Scorer, ScorerSettings};
use mien_runtime::transcript::Transcript;

use crate::data::corpus::Modality;
use crate::data::npy_bytes;
use crate::data::provenance::{Provenance, SCHEMA};
use crate::data::store::RowType;
use crate::{Result, TrainerError};

use folder::{Folder, Status};
use record::{ClipSource, Outcome};

pub use list::{ClipList, ListedClip};
pub use shard::Shard;

/// Exit code of input that cannot be used; what a clip's failure is worth at least.
const BAD_INPUT: u8 = 3;

/// How clips are extracted.
#[derive(Clone, Copy, Debug)]
pub struct ExtractSettings {
    /// Type of the numbers.
    pub rows: RowType,
    /// The part of the list that is this process's.
    pub shard: Shard,
    /// How the networks are run; without the language model there is no text of either kind.
    pub scorer: ScorerSettings,
    /// Whether the first clip that fails ends the work.
    pub stop_at_first: bool,
}

/// How far an extraction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Clips whose files were looked at, of all.
    Looked(usize, usize),
    /// Clips of the shard that are done with, of all of them.
    Extracted(usize, usize),
}

/// A clip that could not be extracted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Utterance id.
    pub id: String,
    /// File, expected and found.
    pub reason: String,
}

/// What an extraction came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the rows are made by.
    pub provenance: Provenance,
    /// Clips of the shard that were extracted now.
    pub extracted: usize,
    /// Clips of the shard whose rows stood already.
    pub kept: usize,
    /// Clips of the shard that failed now.
    pub failed: Vec<Failure>,
    /// The exit code of the worst of them; 0 without any.
    pub exit_code: u8,
    /// How the whole list stands, this shard and the others.
    pub standing: Standing,
}

/// How the clips of a list stand in an extraction's folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Clips whose rows stand.
    pub extracted: usize,
    /// Clips without any row of a modality, where there are such.
    pub empty: BTreeMap<Modality, usize>,
    /// Clips that could not be extracted.
    pub failed: Vec<Failure>,
    /// Clips that are still to be extracted.
    pub open: Vec<String>,
    /// The layout's table, if it was written: it names the clips whose rows stand.
    pub table: Option<PathBuf>,
}

impl Standing {
    /// Clips of the list.
    pub fn clips(&self) -> usize {
        self.extracted + self.failed.len() + self.open.len()
    }
}

/// Extracts the clips of `list` that belong to the shard and whose rows do not stand in `out` yet. Once no clip of the
/// list is open, by whatever machine, the table is written. `tell` hears of the progress.
///
/// A clip that cannot be extracted costs only itself: it is in the report, and the next run tries it again.
///
/// # Errors
/// ExtractionChanged where `out` was begun with another bundle or other settings; Extraction for a folder that holds
/// something else, or while another process extracts the same shard; Io, as when the disk is full; Runtime when the
/// networks cannot be loaded.
pub fn extract(
    list: &ClipList,
    chosen: ChosenBundle,
    out: &Path,
    settings: &ExtractSettings,
    tell: &mut dyn FnMut(Step),
) -> Result<Report> {
    let facts = BundleFacts::of(&chosen.bundle);
    let folder = Folder::begin(out, provenance(list, &facts, settings), settings.shard)?;
    let mut open = Vec::new();
    let mine = list.clips().iter().enumerate().filter(|(place, _)| settings.shard.holds(*place));
    let mine: Vec<&ListedClip> = mine.map(|(_, clip)| clip).collect();
    for (n, clip) in mine.iter().enumerate() {
        let source = ClipSource::of(list, clip);
        if !folder.holds(clip, &source) {
            open.push((*clip, source));
        }
        tell(Step::Looked(n + 1, mine.len()));
    }
    let kept = mine.len() - open.len();
    let (mut extracted, mut failed, mut exit_code) = (0, Vec::new(), 0);
    if !open.is_empty() {
        // A network is loaded for work only: a finished extraction is told so at once.
        let mut scorer = Scorer::open(&chosen.bundle, &settings.scorer)?;
        // A loaded network no longer needs its files.
        drop(chosen);
        folder.make_room()?;
        folder.remove_table()?;
        for (clip, source) in open {
            folder.forget(clip)?;
            match rows(&mut scorer, list, clip, settings) {
                Ok((files, outcome)) => {
                    folder.put_rows(clip, &files)?;
                    folder.put_record(clip, source, outcome)?;
                    extracted += 1;
                }
                Err(Fault::Program(error)) => return Err(error),
                Err(Fault::Clip { reason, code }) => {
                    folder.put_record(clip, source, Outcome::Failed { reason: reason.clone() })?;
                    failed.push(Failure { id: clip.id.clone(), reason });
                    exit_code = exit_code.max(code).max(BAD_INPUT);
                    if settings.stop_at_first {
                        break;
                    }
                }
            }
            tell(Step::Extracted(kept + extracted + failed.len(), mine.len()));
        }
    }
    let standing = standing(&folder, list, false, tell)?;
    Ok(Report { provenance: folder.provenance().clone(), extracted, kept, failed, exit_code, standing })
}

/// Looks at what stands in `out` of `list`, and writes the table with the clips whose rows stand, even while others are
/// open.
///
/// # Errors
/// Extraction where none was begun; Io.
pub fn collect(list: &ClipList, out: &Path, tell: &mut dyn FnMut(Step)) -> Result<(Provenance, Standing)> {
    let folder = Folder::open(out)?;
    let standing = standing(&folder, list, true, tell)?;
    Ok((folder.provenance().clone(), standing))
}

/// Everything that rows depend on besides the clips.
fn provenance(list: &ClipList, facts: &BundleFacts, settings: &ExtractSettings) -> Provenance {
    let with_llm = settings.scorer.rung.has_llm();
    let wanted = |modality: &Modality| match modality {
        Modality::Audio | Modality::Video => true,
        Modality::Simulated => with_llm,
        // Without any transcript there is no such modality, rather than one that is empty everywhere.
        Modality::Text => with_llm && list.has_transcripts(),
    };
    Provenance {
        schema: SCHEMA,
        created_by: concat!("mien-train ", env!("CARGO_PKG_VERSION")).into(),
        statement: facts.statement().map(str::to_owned),
        rows: settings.rows,
        modalities: Modality::ALL.into_iter().filter(wanted).collect(),
        llm_context: with_llm.then_some(settings.scorer.llm_context),
        gpu_layers: Some(settings.scorer.gpu_layers).filter(|&layers| with_llm && layers > 0),
        bundle: BundleMark { statement: None, ..facts.mark.clone() },
        method: facts.manifest.method.clone(),
    }
}

/// Why a clip has no rows.
enum Fault {
    /// The clip cannot be extracted; others can.
    Clip { reason: String, code: u8 },
    /// No other clip could be extracted either.
    Program(TrainerError),
}

impl From<RuntimeError> for Fault {
    fn from(error: RuntimeError) -> Self {
        match error {
            RuntimeError::Clip(_)
            | RuntimeError::Transcript { .. }
            | RuntimeError::Unscorable { .. }
            | RuntimeError::Request { .. }
            | RuntimeError::Stage { .. } => Self::Clip { reason: error.to_string(), code: error.exit_code() },
            error => Self::Program(error.into()),
        }
    }
}

type RowFiles = BTreeMap<Modality, Vec<u8>>;

/// The files of a clip's rows, and what its record says of them.
fn rows(
    scorer: &mut Scorer,
    list: &ClipList,
    clip: &ListedClip,
    settings: &ExtractSettings,
) -> std::result::Result<(RowFiles, Outcome), Fault> {
    // Without a language model a transcript is no part of what is extracted.
    let said = clip.transcript.as_ref().filter(|_| settings.scorer.rung.has_llm());
    let transcript = said.map(|said| Transcript::Whole(said.clone()));
    let face = clip.face.as_ref().map(|face| list.place(face));
    let features = clip_features(scorer, &list.place(&clip.path), face.as_deref(), transcript.as_ref())?;
    let Features { audio, video, text, simulated, said, notes } = features;
    let mut wanted: Vec<(Modality, Tensor)> = vec![(Modality::Audio, audio), (Modality::Video, video)];
    if settings.scorer.rung.has_llm() {
        wanted.push((Modality::Simulated, simulated));
        if list.has_transcripts() {
            wanted.push((Modality::Text, text));
        }
    }
    let (mut files, mut counts) = (BTreeMap::new(), BTreeMap::new());
    for (modality, rows) in wanted {
        let bytes = npy_bytes(rows.data(), rows.rows(), rows.width(), settings.rows)
            .map_err(|reason| Fault::Clip { reason: format!("{modality} rows: {reason}"), code: BAD_INPUT })?;
        files.insert(modality, bytes);
        counts.insert(modality, rows.rows());
    }
    Ok((files, Outcome::Extracted { rows: counts, said, notes }))
}

/// Looks at every clip of the list; writes the table if no clip is open, or `always`.
fn standing(folder: &Folder, list: &ClipList, always: bool, tell: &mut dyn FnMut(Step)) -> Result<Standing> {
    let mut standing = Standing::default();
    let mut extracted = Vec::new();
    for (n, clip) in list.clips().iter().enumerate() {
        match folder.status(clip) {
            Status::Open => standing.open.push(clip.id.clone()),
            Status::Failed(reason) => standing.failed.push(Failure { id: clip.id.clone(), reason }),
            Status::Extracted(rows) => {
                for (modality, _) in rows.into_iter().filter(|(_, rows)| *rows == 0) {
                    *standing.empty.entry(modality).or_default() += 1;
                }
                extracted.push(clip);
            }
        }
        tell(Step::Looked(n + 1, list.clips().len()));
    }
    standing.extracted = extracted.len();
    if extracted.is_empty() {
        folder.remove_table()?;
    } else if always || standing.open.is_empty() {
        standing.table = Some(folder.put_table(list, &extracted)?);
    }
    Ok(standing)
}
