//! Which clips go where, with how many rows; everything that can be wrong is found here.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::super::corpus::{Clip, Corpus, Modality, SPLITS, split_name};
use super::super::id;
use super::super::mosei::LONG_CLIPS;
use super::super::npy::Extent;
use super::super::source::Split;
use super::{ImportSettings, Step};
use crate::{Result, TrainerError};

/// Faults that a message shows; the others are counted.
const FAULTS_SHOWN: usize = 5;
/// Clips surveyed between two reports of progress.
const CLIPS_AT_A_TIME: usize = 256;

/// Stands in where a number leads to no clip, which a plan rules out.
static NONE: Clip = Clip::NONE;

/// A clip of the store.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Its split and number in the corpus.
    pub(super) split: Split,
    pub(super) number: usize,
    rows: BTreeMap<Modality, usize>,
}

impl Place {
    pub(super) fn clip<'c>(&self, corpus: &'c dyn Corpus) -> &'c Clip {
        // A plan is made from the corpus's own numbers.
        corpus.clips(self.split).get(self.number).unwrap_or(&NONE)
    }

    /// Rows in the store, at least 1.
    pub(super) fn rows(&self, modality: Modality) -> usize {
        self.rows.get(&modality).copied().unwrap_or(0).max(1)
    }

    /// Whether a zero row stands in for rows that the corpus does not have.
    pub(super) fn is_stand_in(&self, modality: Modality) -> bool {
        self.rows.get(&modality) == Some(&0)
    }
}

/// What is to be written.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) splits: [Vec<Place>; 3],
    pub(super) widths: BTreeMap<Modality, usize>,
    pub(super) remarks: Vec<String>,
}

impl Plan {
    /// Checks ids, labels and splits, then the sizes of all rows.
    pub(super) fn make(corpus: &dyn Corpus, settings: &ImportSettings, tell: &(dyn Fn(Step) + Sync)) -> Result<Self> {
        let modalities: Vec<Modality> = corpus.modalities().into_keys().collect();
        let has = |m| modalities.contains(&m);
        if !has(Modality::Audio) || !has(Modality::Video) || !(has(Modality::Text) || has(Modality::Simulated)) {
            return Err(TrainerError::corpus(
                corpus.origin(),
                format!("expected rows of audio, video, and text or simulated text, found {modalities:?}"),
            ));
        }
        let mut faults = Faults::default();
        let mut remarks = Vec::new();
        let mut splits = assign(corpus, settings, &mut faults, &mut remarks);
        faults.refuse(corpus)?;
        let widths = survey(corpus, settings, &modalities, &mut splits, &mut remarks, tell)?;
        for (split, places) in SPLITS.into_iter().zip(&splits) {
            if places.is_empty() {
                return Err(TrainerError::corpus(
                    corpus.origin(),
                    format!("the split {} has no clips; train, valid and test are all needed", split_name(split)),
                ));
            }
        }
        Ok(Self { splits, widths, remarks })
    }
}

/// Each clip's split in the store, after folds and the list of long clips.
fn assign(
    corpus: &dyn Corpus,
    settings: &ImportSettings,
    faults: &mut Faults,
    remarks: &mut Vec<String>,
) -> [Vec<Place>; 3] {
    let long: BTreeSet<&str> = LONG_CLIPS.into_iter().collect();
    let mut splits = [const { Vec::new() }; 3];
    let mut seen = BTreeMap::new();
    let (mut removed, mut unfolded) = (0, 0);
    for split in SPLITS {
        for (number, clip) in corpus.clips(split).iter().enumerate() {
            if let Err(reason) = id::check(&clip.id) {
                faults.add(reason);
                continue;
            }
            if let Some(other) = seen.insert(clip.id.as_str(), split) {
                let (a, b) = (split_name(other), split_name(split));
                faults.add(format!("the id {} comes twice (in {a} and {b}); each clip has one place", clip.id));
            }
            if !(-3.0..=3.0).contains(&clip.label) {
                faults.add(format!("clip {} has the label {}, expected a number from -3 to 3", clip.id, clip.label));
            }
            let target = match &settings.folds {
                None => Some(split),
                Some(folds) => folds.split_of(id::video_of(&clip.id)),
            };
            let place = Place { split, number, rows: BTreeMap::new() };
            match target {
                None => unfolded += 1,
                Some(Split::Train) if settings.without_long_clips && long.contains(clip.id.as_str()) => removed += 1,
                Some(Split::Train) => splits[0].push(place),
                Some(Split::Valid) => splits[1].push(place),
                Some(Split::Test) => splits[2].push(place),
            }
        }
    }
    if settings.folds.is_some() {
        remarks.push(format!("splits by folds of videos; {unfolded} clips left out whose video is in no fold"));
    }
    if removed > 0 {
        remarks.push(format!("{removed} long clips of the authors' list left out of train"));
    }
    splits
}

/// Reads the sizes of all rows; a stream's width is that of its first clip.
fn survey(
    corpus: &dyn Corpus,
    settings: &ImportSettings,
    modalities: &[Modality],
    splits: &mut [Vec<Place>; 3],
    remarks: &mut Vec<String>,
    tell: &(dyn Fn(Step) + Sync),
) -> Result<BTreeMap<Modality, usize>> {
    let total: usize = splits.iter().map(Vec::len).sum();
    let mut faults = Faults::default();
    let mut widths = BTreeMap::new();
    let mut firsts: BTreeMap<Modality, String> = BTreeMap::new();
    let (mut done, mut skipped, mut zeros) = (0, BTreeMap::<Split, usize>::new(), BTreeMap::<Modality, usize>::new());
    for (split, places) in SPLITS.into_iter().zip(splits) {
        let mut kept = Vec::with_capacity(places.len());
        for chunk in places.chunks(CLIPS_AT_A_TIME) {
            let extents = |place: &Place| -> Vec<Result<Option<Extent>>> {
                modalities.iter().map(|&m| corpus.extent(place.split, place.number, m)).collect()
            };
            // Read by several threads, judged in order: the first clip gives the width, and messages do not vary.
            for (place, extents) in chunk.iter().zip(chunk.par_iter().map(extents).collect::<Vec<_>>()) {
                let (mut place, mut missing) = (place.clone(), Vec::new());
                let id = place.clip(corpus).id.clone();
                for (&modality, extent) in modalities.iter().zip(extents) {
                    let extent = match extent {
                        Ok(Some(extent)) => extent,
                        Ok(None) => {
                            missing.push(modality);
                            continue;
                        }
                        Err(error) => {
                            faults.add(error.to_string());
                            continue;
                        }
                    };
                    if extent.rows == 0 || extent.width == 0 {
                        if settings.zero_row_for_empty {
                            *zeros.entry(modality).or_default() += 1;
                            place.rows.insert(modality, 0);
                        } else {
                            faults.add(format!(
                                "clip {id} has no {modality} rows; extract it again, or let a zero row stand in with --zero-row-for-empty"
                            ));
                        }
                        continue;
                    }
                    let width = *widths.entry(modality).or_insert(extent.width);
                    let first = firsts.entry(modality).or_insert_with(|| id.clone());
                    if extent.width != width {
                        faults.add(format!(
                            "clip {id} has {modality} rows of {} numbers, expected {width} as in clip {first}; were these \
                             extracted by another network?",
                            extent.width
                        ));
                    }
                    place.rows.insert(modality, extent.rows);
                }
                if missing.is_empty() {
                    kept.push(place);
                } else if settings.skip_missing {
                    *skipped.entry(split).or_default() += 1;
                } else {
                    let missing: Vec<&str> = missing.into_iter().map(Modality::name).collect();
                    faults.add(format!(
                        "clip {id} has a label but no features of {}; extract it, or leave such clips out with --skip-missing",
                        missing.join(", ")
                    ));
                }
            }
            done += chunk.len();
            tell(Step::Surveyed(done, total));
        }
        *places = kept;
    }
    faults.refuse(corpus)?;
    for (split, n) in skipped {
        remarks.push(format!("{n} clips of {} left out: features missing", split_name(split)));
    }
    for (modality, n) in zeros {
        remarks.push(format!("a zero row stands in for the {modality} rows of {n} clips"));
    }
    if let Some(&modality) = modalities.iter().find(|m| !widths.contains_key(m) && total > 0) {
        return Err(TrainerError::corpus(
            corpus.origin(),
            format!("no clip has {modality} rows; are the features extracted?"),
        ));
    }
    let (text, simulated) = (widths.get(&Modality::Text), widths.get(&Modality::Simulated));
    if let (Some(text), Some(simulated)) = (text, simulated)
        && text != simulated
    {
        return Err(TrainerError::corpus(
            corpus.origin(),
            format!("text rows have {text} numbers and simulated ones {simulated}; both come from one language model"),
        ));
    }
    Ok(widths)
}

/// What is wrong with a corpus: the first few in words, the others counted.
#[derive(Debug, Default)]
struct Faults {
    shown: Vec<String>,
    more: usize,
}

impl Faults {
    fn add(&mut self, fault: String) {
        if self.shown.len() < FAULTS_SHOWN {
            self.shown.push(fault);
        } else {
            self.more += 1;
        }
    }

    fn refuse(self, corpus: &dyn Corpus) -> Result<()> {
        if self.shown.is_empty() {
            return Ok(());
        }
        let mut reason = self.shown.join(" | ");
        if self.more > 0 {
            reason.push_str(&format!(" | and {} more faults", self.more));
        }
        Err(TrainerError::corpus(corpus.origin(), reason))
    }
}
