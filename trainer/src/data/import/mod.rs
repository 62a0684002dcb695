//! From a corpus in any layout to a feature store.
//!
//! Sizes of all rows are read first, so that whatever is missing or does not fit is told before anything is written.

mod non_finite;
mod plan;

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::corpus::{Corpus, Modality, SPLITS, split_name};
use super::mosei::Folds;
use super::npy::Matrix;
use super::source::Split;
use super::store::{Index, ModalityEntry, RowType, SplitIndex, StoreWriter};
use crate::{Result, TrainerError};

pub use non_finite::NonFinite;
use non_finite::Replaced;
use plan::{Place, Plan};

/// Clips read at a time: enough to keep several readers busy, few enough for memory.
const CLIPS_AT_A_TIME: usize = 32;

/// What an import does beside copying rows.
#[derive(Clone, Debug)]
pub struct ImportSettings {
    /// Type of the stored numbers.
    pub rows: RowType,
    /// Splits by video instead of the corpus's own; clips of videos in no fold are left out.
    pub folds: Option<Folds>,
    /// Whether the authors' list of long clips is kept out of the training split.
    pub without_long_clips: bool,
    /// Whether clips are left out whose rows are missing in some modality, instead of refusing the corpus.
    pub skip_missing: bool,
    /// Whether one zero row stands in for a clip's empty rows (method section 7), instead of refusing the corpus.
    pub zero_row_for_empty: bool,
    /// What becomes of NaN and infinities in rows.
    pub non_finite: NonFinite,
}

impl Default for ImportSettings {
    fn default() -> Self {
        Self {
            rows: RowType::F16,
            folds: None,
            without_long_clips: true,
            skip_missing: false,
            zero_row_for_empty: false,
            non_finite: NonFinite::Error,
        }
    }
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Clips whose sizes were read, of all.
    Surveyed(usize, usize),
    /// Clips whose rows were written (counted once for each modality), of all.
    Written(usize, usize),
}

/// Imports `corpus` into a new store at `out`; `tell` hears of the progress. Equal corpora and settings give equal bytes.
///
/// # Errors
/// Corpus naming what breaks a rule, and how many more do; Store where something stands at `out`; Io, as when the disk
/// is full. Nothing stands at `out` after an error.
pub fn import(
    corpus: &dyn Corpus,
    out: &Path,
    settings: &ImportSettings,
    tell: &(dyn Fn(Step) + Sync),
) -> Result<Index> {
    let writer = StoreWriter::create(out, settings.rows)?;
    let plan = Plan::make(corpus, settings, tell)?;
    let total = plan.splits.iter().map(|s| s.len() * plan.widths.len()).sum();
    let mut done = 0;
    let mut replaced = Replaced::default();
    let mut splits = [const { None }; 3];
    for ((split, places), slot) in SPLITS.into_iter().zip(&plan.splits).zip(&mut splits) {
        let mut index = listed(corpus, places);
        for (&modality, &width) in &plan.widths {
            let lengths: Vec<usize> = places.iter().map(|place| place.rows(modality)).collect();
            let mut file = writer.rows(split, modality, width, &lengths)?;
            for places in places.chunks(CLIPS_AT_A_TIME) {
                let read = |place: &Place| stored_rows(corpus, place, modality, width);
                for (place, matrix) in places.iter().zip(places.par_iter().map(read).collect::<Vec<_>>()) {
                    let (mut matrix, id) = (matrix?, &place.clip(corpus).id);
                    replaced.look(&mut matrix, settings.non_finite, (split, modality), id)?;
                    file.write(&format_args!("clip {id}, {modality}"), &matrix.values)?;
                }
                done += places.len();
                tell(Step::Written(done, total));
            }
            index.files.insert(modality, file.finish()?);
            index.lengths.insert(modality, lengths);
        }
        *slot = Some(index);
    }
    let features = corpus.modalities();
    let modalities = plan.widths.iter().map(|(&modality, &width)| {
        (modality, ModalityEntry { width, features: features.get(&modality).cloned().unwrap_or_default() })
    });
    let [train, valid, test] = splits.map(Option::unwrap_or_default);
    let index = Index {
        created_by: concat!("mien-train ", env!("CARGO_PKG_VERSION")).into(),
        origin: corpus.origin(),
        rows: settings.rows,
        modalities: modalities.collect(),
        remarks: corpus.remarks().into_iter().chain(plan.remarks).chain(replaced.remarks()).collect(),
        train,
        valid,
        test,
    };
    writer.finish(&index)?;
    Ok(index)
}

/// Ids, labels and texts of a split.
fn listed(corpus: &dyn Corpus, places: &[Place]) -> SplitIndex {
    let clips: Vec<_> = places.iter().map(|place| place.clip(corpus)).collect();
    let speakers: Vec<_> = clips.iter().map(|clip| clip.speaker.clone()).collect();
    let transcripts: Vec<_> = clips.iter().map(|clip| clip.transcript.clone()).collect();
    let told = |list: Vec<Option<String>>| list.iter().any(Option::is_some).then_some(list);
    SplitIndex {
        ids: clips.iter().map(|clip| clip.id.clone()).collect(),
        labels: clips.iter().map(|clip| clip.label as f32).collect(),
        speakers: told(speakers),
        transcripts: told(transcripts),
        lengths: BTreeMap::new(),
        files: BTreeMap::new(),
    }
}

/// A clip's rows as they are stored: of the size that was planned, with a zero row in place of none.
fn stored_rows(corpus: &dyn Corpus, place: &Place, modality: Modality, width: usize) -> Result<Matrix> {
    let matrix = corpus.rows(place.split, place.number, modality)?;
    let planned = super::npy::Extent { rows: place.rows(modality), width };
    if matrix.extent.rows == 0 && place.is_stand_in(modality) {
        return Ok(Matrix { values: vec![0.0; width], extent: planned });
    }
    if matrix.extent != planned || matrix.values.len() != planned.rows * width {
        let id = &place.clip(corpus).id;
        return Err(TrainerError::corpus(
            corpus.origin(),
            format!("the {modality} rows of clip {id} changed while they were being read; import again"),
        ));
    }
    Ok(matrix)
}

/// A split's name and number of clips, for reports.
pub fn counts(index: &Index) -> [(Split, usize); 3] {
    SPLITS.map(|split| (split, index.split(split).ids.len()))
}

/// The counts in words: `train 16293, valid 1871, test 4659`.
pub fn counts_text(index: &Index) -> String {
    counts(index).map(|(split, n)| format!("{} {n}", split_name(split))).join(", ")
}
