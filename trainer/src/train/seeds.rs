//! An experiment in a folder: one run per seed, then mean and standard deviation.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use mien_models::tensor::NamedTensors;
use serde::{Deserialize, Serialize};

use super::checkpoint::{publish_file, sweep};
use super::experiment::{self, Experiment};
use super::report::Report;
use super::run::{Outcome, run};
use super::state::Errors;
use crate::data::{Source, Split};
use crate::{Result, TrainerError, reading};

/// File of the result in a run's folder.
pub const RESULT: &str = "result.toml";
/// Longest result that is read; a seed takes some hundred bytes.
const LONGEST_RESULT: u64 = 4 << 20;
const LOCK: &str = "lock";

/// What an experiment came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Name of the corpus.
    pub data: String,
    /// Its digest.
    pub data_digest: String,
    /// What the errors below were measured on: the split that also chose the epoch.
    pub split: Split,
    /// Means over seeds of the chosen epochs' mean absolute errors.
    pub mean: Errors,
    /// Standard deviations over seeds (n - 1); 0 for one seed.
    pub deviation: Errors,
    /// Each seed's chosen epoch.
    pub runs: Vec<SeedResult>,
}

/// The chosen epoch of one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedResult {
    /// The seed.
    pub seed: u64,
    /// The chosen epoch, counted from 1.
    pub epoch: usize,
    /// Epochs trained.
    pub epochs: usize,
    /// Steps taken.
    pub steps: u64,
    /// Mean absolute errors on the validation split.
    pub valid: Errors,
}

/// Begins `experiment` in `folder`, which must not hold one yet.
///
/// # Errors
/// Run for a folder that holds a run; Setting; whatever a run fails with.
pub fn train(
    experiment: &Experiment,
    source: &dyn Source,
    folder: &Path,
    device: &Device,
    report: &mut dyn Report,
) -> Result<Summary> {
    experiment.validate()?;
    fitting(experiment, source)?;
    // What is wrong with weights to begin with is told before anything is written.
    experiment.weights.as_deref().map(NamedTensors::open).transpose()?;
    fs::create_dir_all(folder).map_err(|e| TrainerError::io(folder, "create", e))?;
    let _lock = lock(folder)?;
    let file = folder.join(experiment::FILE);
    if file.exists() {
        let reason = "the folder holds a run already; go on with it by `mien-train resume`, or train into a new folder";
        return Err(TrainerError::Run { path: folder.to_owned(), reason: reason.into() });
    }
    publish_file(&file, experiment.to_toml()?.as_bytes())?;
    all(experiment, source, folder, device, report)
}

/// Goes on with the run in `folder`. With `expected`, the saved experiment must equal it.
///
/// # Errors
/// Run for a folder without a run; ExperimentChanged; whatever a run fails with.
pub fn resume(
    expected: Option<&Experiment>,
    source: &dyn Source,
    folder: &Path,
    device: &Device,
    report: &mut dyn Report,
) -> Result<Summary> {
    let experiment = saved(folder)?;
    if let Some((key, saved, now)) = expected.and_then(|expected| experiment.difference(expected)) {
        return Err(TrainerError::ExperimentChanged { path: folder.join(experiment::FILE), key, saved, now });
    }
    experiment.validate()?;
    fitting(&experiment, source)?;
    let _lock = lock(folder)?;
    all(&experiment, source, folder, device, report)
}

/// The experiment of the run in `folder`.
///
/// # Errors
/// Run when there is none; Setting when the file is none.
pub fn saved(folder: &Path) -> Result<Experiment> {
    let file = folder.join(experiment::FILE);
    if !file.exists() {
        let reason = format!("no {} is here; give the folder of a run that `mien-train train` began", experiment::FILE);
        return Err(TrainerError::Run { path: folder.to_owned(), reason });
    }
    Experiment::read(&file)
}

/// The result of the run in `folder`.
///
/// # Errors
/// Run when the run has not ended, or the file is no result.
pub fn result(folder: &Path) -> Result<Summary> {
    let path = folder.join(RESULT);
    let refused = |path: &Path, reason: String| TrainerError::Run { path: path.to_owned(), reason };
    match reading::text(&path, LONGEST_RESULT) {
        Ok(text) => toml::from_str(&text).map_err(|e| {
            let message = mien_capture::one_line(e.message());
            refused(&path, format!("not a run's result: {message}; put a whole copy back, or train again"))
        }),
        Err(TrainerError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            let reason = format!("no {RESULT} is here: the run has not ended; go on with it by `mien-train resume`");
            Err(refused(folder, reason))
        }
        Err(e) => Err(e),
    }
}

/// A seed's folder in a run's folder.
pub fn seed_folder(folder: &Path, seed: u64) -> PathBuf {
    folder.join(format!("seed-{seed}"))
}

fn all(
    experiment: &Experiment,
    source: &dyn Source,
    folder: &Path,
    device: &Device,
    report: &mut dyn Report,
) -> Result<Summary> {
    sweep(folder)?;
    let mut outcomes = Vec::new();
    for &seed in &experiment.training.seeds {
        outcomes.push(run(experiment, source, seed, &seed_folder(folder, seed), device, report)?);
    }
    let summary = summary(&outcomes, source);
    let text = toml::to_string(&summary).map_err(|e| TrainerError::setting(RESULT, e.to_string()))?;
    publish_file(&folder.join(RESULT), text.as_bytes())?;
    Ok(summary)
}

fn summary(outcomes: &[Outcome], source: &dyn Source) -> Summary {
    let errors = |part: fn(&Errors) -> f64| -> (f64, f64) {
        let values: Vec<f64> = outcomes.iter().map(|o| part(&o.best.errors)).collect();
        mean_and_deviation(&values)
    };
    let (complete, missing) = (errors(|e| e.complete), errors(|e| e.missing));
    let one = |o: &Outcome| SeedResult {
        seed: o.seed,
        epoch: o.best.epoch,
        epochs: o.epochs,
        steps: o.steps,
        valid: o.best.errors,
    };
    Summary {
        data: source.name().to_owned(),
        data_digest: source.digest().to_owned(),
        split: Split::Valid,
        mean: Errors { complete: complete.0, missing: missing.0 },
        deviation: Errors { complete: complete.1, missing: missing.1 },
        runs: outcomes.iter().map(one).collect(),
    }
}

/// Mean and standard deviation (n - 1); the deviation of one value is 0.
pub(crate) fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n.max(1.0);
    let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    (mean, (squares / (n - 1.0).max(1.0)).sqrt())
}

/// Whether the corpus has what the experiment needs.
fn fitting(experiment: &Experiment, source: &dyn Source) -> Result<()> {
    for (split, name) in [(Split::Train, "training"), (Split::Valid, "validation")] {
        if source.is_empty(split) {
            let reason = format!("the {name} split holds no clip; import a corpus with labelled clips in it");
            return Err(TrainerError::Corpus { origin: source.name().to_owned(), reason });
        }
    }
    let network = &experiment.network;
    let wanted = [network.audio, network.text, network.video];
    for ((key, wanted), found) in ["audio", "text", "video"].into_iter().zip(wanted).zip(source.widths()) {
        if wanted != found {
            let reason = format!("{wanted} is set, {} has {key} rows of {found}; set it to {found}", source.name());
            return Err(TrainerError::setting(format!("network.{key}"), reason));
        }
    }
    Ok(())
}

/// Holds the folder until it is dropped; the system lets go of it when the program is killed.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let file = File::create(&path).map_err(|e| TrainerError::io(&path, "create", e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            let reason = "another program trains in this folder; wait for it, or train into a new folder".into();
            Err(TrainerError::Run { path: folder.to_owned(), reason })
        }
        Err(fs::TryLockError::Error(e)) => Err(TrainerError::io(&path, "lock", e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_those_of_a_sample() {
        assert_eq!(mean_and_deviation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), (5.0, (32f64 / 7.0).sqrt()));
        assert_eq!(mean_and_deviation(&[3.0]), (3.0, 0.0));
    }
}
