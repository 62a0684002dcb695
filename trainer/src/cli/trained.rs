//! Which trained network a command takes, and the corpus that goes with it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mien_models::tensor::NamedTensors;
use mien_trainer::data::Source;
use mien_trainer::data::store::Store;
use mien_trainer::train::{Experiment, Learner, Precision, WEIGHTS_FILE, device, saved, seed_folder};

use super::fault::Fault;
use super::settings::Options;

/// Options that name a trained network.
#[derive(Debug, Args)]
pub(crate) struct Choice {
    /// A run's folder; its experiment and its chosen weights are taken
    run: Option<PathBuf>,
    /// The seed of the run [default: its first]
    #[arg(long)]
    seed: Option<u64>,
    /// Weights instead of a run's (.safetensors or the authors' .pt)
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The corpus: a feature store [default: the run's]
    #[arg(long, value_name = "STORE")]
    data: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

/// A trained network with its corpus.
pub(crate) struct Trained {
    pub(crate) experiment: Experiment,
    pub(crate) source: Store,
    pub(crate) weights: PathBuf,
    pub(crate) seed: u64,
    pub(crate) learner: Learner,
}

impl Choice {
    /// Opens both; `on` names what computes.
    pub(crate) fn open(&self, on: &str) -> Result<Trained> {
        let base = match &self.run {
            Some(run) => saved(run)?,
            None => Experiment::default(),
        };
        let data = self.data.clone().or(base.data.clone());
        let data = data.ok_or_else(|| Fault::usage("no corpus: give --data STORE"))?;
        let source = Store::open(&data)?;
        let mut experiment = self.options.experiment(base)?;
        if self.run.is_none() && self.options.experiment.is_none() {
            [experiment.network.audio, experiment.network.text, experiment.network.video] = source.widths();
        }
        // Measured in full precision, however it was trained.
        experiment.training.precision = Precision::F32;
        experiment.validate()?;
        let seed = self.seed.or(experiment.training.seeds.first().copied()).unwrap_or_default();
        let weights = match (&self.weights, &self.run) {
            (Some(weights), _) => weights.clone(),
            (None, Some(run)) => seed_folder(run, seed).join(WEIGHTS_FILE),
            (None, None) => return Err(Fault::usage("no weights: give a run's folder, or --weights FILE").into()),
        };
        let learner = Learner::new(&experiment, Some(NamedTensors::open(&weights)?), seed, &device(on)?)?;
        Ok(Trained { experiment, source, weights, seed, learner })
    }
}
