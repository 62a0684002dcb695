//! The fusion network of the pocket world: rows by the device's own code, a store, a run, as with any corpus.
//!
//! ```text
//! <out>/rows/     what the first bundle makes of the corpus (`mien-train extract`)
//! <out>/store/    the same as a feature store (`mien-train import`)
//! <out>/fusion/   the run (`mien-train train`), its settings those of trainer/experiments/pocket.toml
//! ```

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::Device;
use mien_runtime::default_bundle::choose;
use mien_runtime::rung::Rung;
use mien_runtime::scorer::ScorerSettings;

use super::bundles::FIRST;
use super::corpus::LIST;
use crate::data::Source;
use crate::data::import::{self, ImportSettings, import};
use crate::data::plain::PlainCorpus;
use crate::data::store::{RowType, Store};
use crate::extract::{self, ClipList, ExtractSettings, Shard, extract};
use crate::train::{
    EXPERIMENT_FILE, Experiment, Network, Report, Summary, WEIGHTS_FILE, resume, saved, seed_folder, train,
};
use crate::{Result, TrainerError};

/// The folder of the rows.
pub const ROWS: &str = "rows";
/// The folder of the store.
pub const STORE: &str = "store";
/// The folder of the run.
pub const RUN: &str = "fusion";
/// The run's settings.
const EXPERIMENT: &str = include_str!("../../experiments/pocket.toml");
/// Longest text of the language model: 6 s of sound are 60 rows, and the prompt and 200 new tokens follow.
pub(super) const LLM_CONTEXT: usize = 512;
/// Most clips that are worked on at a time; each has networks of its own.
pub(super) const MOST_THREADS: usize = 16;

/// How far the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub what: &'static str,
    /// Clips that are done.
    pub done: usize,
    /// Of so many.
    pub total: usize,
}

/// Takes every clip of the corpus in `folder` through the first bundle in `out`, and makes a store of the rows. Goes on
/// where it was stopped; `threads` clips are worked on at a time. `tell` hears of the progress.
///
/// # Errors
/// Runtime for a first bundle that is missing or does not load; ExtractionChanged for rows of another one; Pocket for
/// clips that cannot be extracted; Io.
pub fn rows(folder: &Path, out: &Path, threads: usize, tell: &(dyn Fn(Step) + Sync)) -> Result<Store> {
    let list = ClipList::read(&folder.join(LIST))?;
    let shards = threads.clamp(1, MOST_THREADS);
    let (rows, done) = (out.join(ROWS), AtomicUsize::new(0));
    let bundle = out.join(FIRST);
    let (total, list) = (list.clips().len(), &list);
    let work = |number: usize| {
        let (rows, bundle, done) = (&rows, &bundle, &done);
        move || {
            let mut own = 0;
            let mut tell = |step: extract::Step| {
                // Looking at what stands is quick; what stood counts with the first clip that is new.
                if let extract::Step::Extracted(now, _) = step {
                    let new = now.saturating_sub(own);
                    own = now;
                    tell(Step { what: "extracted", done: done.fetch_add(new, Ordering::Relaxed) + new, total });
                }
            };
            shard(list, bundle, rows, Shard::part(number, shards), &mut tell)
        }
    };
    std::thread::scope(|scope| {
        let working: Vec<_> = (1..=shards).map(|number| scope.spawn(work(number))).collect();
        working.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })?;
    let failed = |reason: String| Err(TrainerError::Pocket { path: rows.clone(), reason });
    let (_, standing) = extract::collect(list, &rows, &mut |_| ())?;
    if let Some(extract::Failure { id, reason }) = standing.failed.first() {
        return failed(format!("{} clips cannot be extracted, first of them {id}: {reason}", standing.failed.len()));
    }
    if !standing.open.is_empty() {
        return failed(format!("{} clips are not extracted; run again", standing.open.len()));
    }
    store(&rows, &out.join(STORE), tell)
}

/// Extracts one shard.
fn shard(list: &ClipList, bundle: &Path, rows: &Path, shard: Shard, tell: &mut dyn FnMut(extract::Step)) -> Result<()> {
    let scorer =
        ScorerSettings { threads: 1, llm_threads: 1, llm_context: LLM_CONTEXT, gpu_layers: 0, rung: Rung::Full };
    let settings = ExtractSettings { rows: RowType::F16, shard, scorer, stop_at_first: false };
    extract(list, choose(Some(bundle))?, rows, &settings, tell)?;
    Ok(())
}

/// The store of `rows`, made anew each time: equal rows give equal bytes, and a run refuses a store of another digest.
fn store(rows: &Path, store: &Path, tell: &(dyn Fn(Step) + Sync)) -> Result<Store> {
    if store.exists() {
        std::fs::remove_dir_all(store).map_err(|e| TrainerError::io(store, "remove", e))?;
    }
    let settings = ImportSettings { zero_row_for_empty: true, ..ImportSettings::default() };
    import(&PlainCorpus::open(rows)?, store, &settings, &|step| {
        if let import::Step::Written(done, total) = step {
            tell(Step { what: "imported", done, total });
        }
    })?;
    Store::open(store)
}

/// The settings of the run, for rows of these widths: audio, text, video.
///
/// # Errors
/// Setting for an experiment file that is none.
pub fn experiment([audio, text, video]: [usize; 3]) -> Result<Experiment> {
    let experiment = Experiment::parse(EXPERIMENT, Path::new("pocket.toml"))?;
    let network = Network { audio, text, video, ..experiment.network };
    Ok(Experiment { network, ..experiment })
}

/// Trains the fusion network on the store in `out`, or goes on where it was stopped. Gives the file of the weights.
///
/// # Errors
/// As [`train`] and [`resume`].
pub fn learn(
    store: &Store,
    out: &Path,
    seed: u64,
    device: &Device,
    report: &mut dyn Report,
) -> Result<(Summary, PathBuf)> {
    let folder = out.join(RUN);
    let mut experiment = experiment(store.widths())?;
    experiment.training.seeds = vec![seed];
    let summary = if folder.join(EXPERIMENT_FILE).exists() {
        // The folder may have been moved; the store's digest is held against the run's all the same.
        let expected = Experiment { data: saved(&folder)?.data, ..experiment };
        resume(Some(&expected), store, &folder, device, report)?
    } else {
        let path = out.join(STORE);
        let data = std::path::absolute(&path).map_err(|e| TrainerError::io(&path, "find", e))?;
        train(&Experiment { data: Some(data), ..experiment }, store, &folder, device, report)?
    };
    Ok((summary, seed_folder(&folder, seed).join(WEIGHTS_FILE)))
}
