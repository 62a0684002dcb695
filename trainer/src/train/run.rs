//! One seed's run: epochs of steps, validation after each, checkpoints in between.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use mien_models::tensor::NamedTensors;

use super::checkpoint::{self, Checkpoint, publish_file};
use super::experiment::Experiment;
use super::log::Log;
use super::order;
use super::report::{EpochDone, Report, StepDone};
use super::state::{Best, Errors, State};
use super::step::{Learner, Place, valences};
use crate::data::prefetch::each_batch;
use crate::data::{Batch, Source, Split};
use crate::{Result, TrainerError, reading};

/// Folder of the checkpoints in a seed's folder.
const CHECKPOINTS: &str = "checkpoints";
/// The chosen weights of a finished run.
pub const WEIGHTS: &str = "weights.safetensors";
/// Largest weights of a fusion network that are read at once; the published one's take 17 MB.
const LARGEST_WEIGHTS: u64 = 16 << 30;

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The run's seed.
    pub seed: u64,
    /// The chosen epoch.
    pub best: Best,
    /// Epochs trained.
    pub epochs: usize,
    /// Steps taken.
    pub steps: u64,
}

/// Trains with `seed` in `folder`: from the newest checkpoint there, else from the start.
///
/// # Errors
/// Data that cannot be read; NotFinite; checkpoints that cannot be written or continued from; another corpus or
/// experiment than the checkpoint's.
pub(super) fn run(
    experiment: &Experiment,
    source: &dyn Source,
    seed: u64,
    folder: &Path,
    device: &Device,
    report: &mut dyn Report,
) -> Result<Outcome> {
    fs::create_dir_all(folder).map_err(|e| TrainerError::io(folder, "create", e))?;
    checkpoint::sweep(folder)?;
    let mut run = match checkpoint::newest(&folder.join(CHECKPOINTS))? {
        Some(found) => Run::resumed(experiment, source, seed, folder, device, found)?,
        None => Run::begun(experiment, source, seed, folder, device)?,
    };
    report.began(seed, run.state.step);
    while !run.state.finished {
        run.epoch(report)?;
    }
    run.outcome()
}

struct Run<'a> {
    source: &'a dyn Source,
    folder: &'a Path,
    learner: Learner,
    state: State,
    log: Log,
}

impl<'a> Run<'a> {
    fn begun(
        experiment: &Experiment,
        source: &'a dyn Source,
        seed: u64,
        folder: &'a Path,
        device: &Device,
    ) -> Result<Self> {
        let weights = experiment.weights.as_deref().map(NamedTensors::open).transpose()?;
        let learner = Learner::new(experiment, weights, seed, device)?;
        let state = State::new(experiment, seed, source.digest());
        Ok(Self { source, folder, learner, state, log: Log::open(folder, 0)? })
    }

    fn resumed(
        experiment: &Experiment,
        source: &'a dyn Source,
        seed: u64,
        folder: &'a Path,
        device: &Device,
        Checkpoint { state, weights, adam }: Checkpoint<State>,
    ) -> Result<Self> {
        if let Some((key, saved, now)) = state.experiment.difference(experiment) {
            return Err(TrainerError::ExperimentChanged { path: folder.to_owned(), key, saved, now });
        }
        if state.data != source.digest() {
            let reason = format!(
                "the run began on a corpus with digest {}, {} has digest {}; give back the corpus that it began on, or \
                 train into a new folder",
                state.data,
                source.name(),
                source.digest()
            );
            return Err(TrainerError::Run { path: folder.to_owned(), reason });
        }
        let learner = Learner::continued(experiment, weights, adam, seed, device)?;
        let log = Log::open(folder, state.log)?;
        Ok(Self { source, folder, learner, state, log })
    }

    /// The rest of the present epoch, then validation.
    fn epoch(&mut self, report: &mut dyn Report) -> Result<()> {
        let source = self.source;
        let training = &self.state.experiment.training;
        let batches = training.ordering().batches(self.state.seed, self.state.epoch, source.lengths(Split::Train));
        let digest = order::digest(&batches);
        if !self.state.order.is_empty() && self.state.order != digest {
            let reason = "the epoch's batches are others than when it began; clips were added, removed or changed in \
                          length: give back the corpus that the run began on";
            return Err(TrainerError::Run { path: self.folder.to_owned(), reason: reason.into() });
        }
        self.state.order = digest;
        let rest = batches.get(self.state.batch..).unwrap_or_default();
        let all = batches.len();
        each_batch(source, Split::Train, rest, &mut |batch| self.step(&batch, all, report))?;
        let means = self.state.means();
        let errors = self.validate()?;
        let better = self.state.judge(errors);
        let epochs = self.state.experiment.training.epochs;
        let done =
            EpochDone { seed: self.state.seed, epoch: self.state.epoch, epochs, means, valid: errors, best: better };
        self.log.line(&done)?;
        if better {
            self.save_best()?;
        }
        self.checkpoint()?;
        self.forget_former()?;
        report.epoch(&done);
        Ok(())
    }

    fn step(&mut self, batch: &Batch, batches: usize, report: &mut dyn Report) -> Result<()> {
        let state = &mut self.state;
        let terms = self.learner.step(batch, Place { epoch: state.epoch, step: state.step })?;
        let clips = batch.ids.len();
        for (sum, term) in state.sums.iter_mut().zip(terms) {
            *sum += term * clips as f64;
        }
        state.clips += clips as u64;
        state.step += 1;
        state.batch += 1;
        let experiment = &state.experiment;
        let done = StepDone {
            seed: state.seed,
            epoch: state.epoch + 1,
            batch: state.batch,
            batches,
            epochs: experiment.training.epochs,
            step: state.step,
            clips,
            rate: experiment.optimiser.rate * experiment.schedule.factor(state.epoch),
            terms,
        };
        self.log.line(&done)?;
        let every = experiment.training.checkpoint_every;
        // The end of an epoch has a checkpoint of its own, after validation.
        if every > 0 && state.step.is_multiple_of(every) && state.batch < batches {
            self.checkpoint()?;
        }
        report.step(&done);
        Ok(())
    }

    /// Mean absolute errors of both flows over the validation split.
    fn validate(&self) -> Result<Errors> {
        let model = self.learner.exact()?;
        let clips: Vec<usize> = (0..self.source.len(Split::Valid)).collect();
        let mut sums = [0f64; 2];
        for clips in clips.chunks(self.state.experiment.training.validation_batch) {
            let batch = self.source.batch(Split::Valid, clips)?;
            for (sum, valences) in sums.iter_mut().zip(valences(&model, &self.state.experiment, &batch)?) {
                let apart = |(valence, label): (&f32, &f32)| f64::from(*valence - *label).abs();
                *sum += valences.iter().zip(&batch.labels).map(apart).sum::<f64>();
            }
        }
        let [complete, missing] = sums.map(|sum| sum / clips.len() as f64);
        if !(complete.is_finite() && missing.is_finite()) {
            let reason = format!(
                "epoch {}: the validation error is {complete} with and {missing} without text; the training diverged, \
                 lower the learning rate",
                self.state.epoch + 1
            );
            return Err(TrainerError::Run { path: self.folder.to_owned(), reason });
        }
        Ok(Errors { complete, missing })
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.state.log = self.log.sync()?;
        let (learner, folder) = (&self.learner, self.folder.join(CHECKPOINTS));
        checkpoint::write(&folder, &learner.model().specs(), &learner.tensors(), learner.adam(), &self.state)
            .map(|_| ())
    }

    /// Writes the best epoch's weights under their own name; the checkpoint that knows of them comes after.
    fn save_best(&self) -> Result<()> {
        let Some(best) = &self.state.best else { return Ok(()) };
        let network = serde_json::to_string(&self.learner.model().config())
            .map_err(|e| TrainerError::setting("network", e.to_string()))?;
        let metadata = [
            ("network", network),
            ("seed", self.state.seed.to_string()),
            ("epoch", best.epoch.to_string()),
            ("valid_mae_complete", best.errors.complete.to_string()),
            ("valid_mae_missing", best.errors.missing.to_string()),
        ];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
        self.learner.save(&self.folder.join(&best.file), &metadata)
    }

    /// Removes weights of epochs that are no longer the best.
    fn forget_former(&self) -> Result<()> {
        let best = self.state.best.as_ref().map(|best| best.file.as_str());
        for entry in fs::read_dir(self.folder).map_err(|e| TrainerError::io(self.folder, "read", e))? {
            let path = entry.map_err(|e| TrainerError::io(self.folder, "read", e))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("best-") && Some(name.as_ref()) != best {
                fs::remove_file(&path).map_err(|e| TrainerError::io(&path, "remove", e))?;
            }
        }
        Ok(())
    }

    /// Gives the chosen weights their final name.
    fn outcome(&self) -> Result<Outcome> {
        let Some(best) = self.state.best.clone() else {
            let reason = "no epoch was trained; the checkpoint is of an empty run: train into a new folder".into();
            return Err(TrainerError::Run { path: self.folder.to_owned(), reason });
        };
        let path = self.folder.join(&best.file);
        let bytes = reading::bytes(&path, LARGEST_WEIGHTS)?;
        publish_file(&self.folder.join(WEIGHTS), &bytes)?;
        Ok(Outcome { seed: self.state.seed, best, epochs: self.state.epoch, steps: self.state.step })
    }
}
