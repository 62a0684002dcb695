//! The pocket corpus: spoken sentences and drawn faces that carry a valence each, for trials of the whole method.
//!
//! A clip begins with a mood that its words, its voice and its face share, each with a deviation of its own; in a stated
//! share of clips voice and face contradict the words. The three valences are hidden: what a network gets is a sentence
//! of the [`grammar`], its sound ([`speech`]) and pictures ([`face`]). [`label`] has the rule that makes the label of
//! them. Voices and faces of a split are in no other one.
//!
//! Everything is a function of seed, split and clip number. [`build`] makes a corpus or goes on with one, [`verify`] holds it
//! against its digests.

mod cast;
mod clip;
pub mod face;
mod folder;
pub mod grammar;
pub mod label;
mod plan;
mod settings;
pub mod speech;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use clip::Clip;
use folder::{Folder, Record};
use plan::Plan;
use speech::espeak::Espeak;

use crate::{Result, TrainerError};

pub use cast::{Speaker, faces};
pub use folder::{HIDDEN, LIST, SplitCounts, WHOLE, Whole, verify};
pub use settings::{CLIPS, CorpusSettings, MOST_CLIPS, MadeBy};

/// How far a corpus is: clips that are done, of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Done.
    pub done: usize,
    /// Of so many.
    pub total: usize,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Clips that were made now.
    pub made: usize,
    /// Clips that stood already.
    pub kept: usize,
    /// The corpus.
    pub whole: Whole,
}

/// Makes the corpus of `settings` in `out`, or what is missing or damaged of it. `tell` hears of the progress.
///
/// It can be killed and started again at any moment: what stands in its place is whole, and is held against its digests.
///
/// # Errors
/// Setting; Program where espeak-ng is missing or fails; Pocket where `out` holds something else or a corpus with other
/// settings, or another process works there; Io, as when the disk is full.
pub fn build(settings: &CorpusSettings, out: &Path, tell: &(dyn Fn(Progress) + Sync)) -> Result<Report> {
    settings.check()?;
    let espeak = Espeak::open()?;
    let folder = Folder::begin(out, MadeBy::new(settings, &espeak))?;
    folder.open_up()?;
    let plans = Plan::all(settings);
    let (total, done, kept) = (plans.len(), AtomicUsize::new(0), AtomicUsize::new(0));
    let made = |plan: Plan| {
        let record = match folder.done(&plan) {
            Some(record) => {
                kept.fetch_add(1, Ordering::Relaxed);
                record
            }
            None => folder.put(&plan, &Clip::make(&plan, &espeak)?)?,
        };
        tell(Progress { done: done.fetch_add(1, Ordering::Relaxed) + 1, total });
        Ok::<_, TrainerError>((plan, record))
    };
    let made: Vec<(Plan, Record)> = plans.into_par_iter().map(made).collect::<Result<_>>()?;
    let kept = kept.into_inner();
    let whole = folder.close(&made)?;
    Ok(Report { made: total - kept, kept, whole })
}
