//! `mien-train train` and `mien-train resume`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use mien_trainer::data::Source;
use mien_trainer::data::store::Store;
use mien_trainer::train::{Experiment, Summary, device, resume, saved, train};

use super::fault::Fault;
use super::settings::Options;
use super::show::reporter;

/// Train a fusion network: one run per seed, the epoch chosen by validation.
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// The corpus: a feature store.
    #[arg(long, value_name = "STORE")]
    data: Option<PathBuf>,
    /// The run's folder; a new one.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Weights to begin from (.safetensors or the authors' .pt) instead of drawn ones.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    machine: Machine,
}

/// Go on with a run that was stopped, whatever stopped it.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The run's folder.
    folder: PathBuf,
    /// The corpus, if it is no longer where the run began.
    #[arg(long, value_name = "STORE")]
    data: Option<PathBuf>,
    /// Settings that the run must have been begun with: anything else is an error.
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    machine: Machine,
}

#[derive(Debug, Args)]
struct Machine {
    /// What computes: cpu, or cuda:N.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    /// Plain lines even where there is a terminal.
    #[arg(long)]
    plain: bool,
}

impl Train {
    pub(crate) fn run(self) -> Result<()> {
        let mut experiment = self.options.experiment(Experiment::default())?;
        if let Some(data) = self.data {
            experiment.data = Some(std::path::absolute(data)?);
        }
        if let Some(weights) = self.weights {
            experiment.weights = Some(std::path::absolute(weights)?);
        }
        let none = || Fault::usage("no corpus: give --data, or data = \"...\" in the experiment file");
        let path = experiment.data.clone().ok_or_else(none)?;
        let source = Store::open(&path)?;
        if self.options.experiment.is_none() {
            // Widths that nobody set are the corpus's; a file's are held against it.
            let set = |key: &str| self.options.settings.iter().any(|s| s.trim_start().starts_with(key));
            let [audio, text, video] = source.widths();
            let network = &mut experiment.network;
            for (key, place, width) in [
                ("network.audio", &mut network.audio, audio),
                ("network.text", &mut network.text, text),
                ("network.video", &mut network.video, video),
            ] {
                if !set(key) {
                    *place = width;
                }
            }
        }
        let device = device(&self.machine.device)?;
        let mut report = reporter(self.machine.plain);
        let summary = train(&experiment, &source, &self.out, &device, report.as_mut());
        drop(report);
        print(&summary?, &self.out);
        Ok(())
    }
}

impl Resume {
    pub(crate) fn run(self) -> Result<()> {
        let saved = saved(&self.folder)?;
        let expected = if self.options.any() { Some(self.options.experiment(saved.clone())?) } else { None };
        let none = || Fault::usage("the run does not say where its corpus is: give --data");
        let path = self.data.or(saved.data).ok_or_else(none)?;
        let source = Store::open(&path)?;
        let device = device(&self.machine.device)?;
        let mut report = reporter(self.machine.plain);
        let summary = resume(expected.as_ref(), &source, &self.folder, &device, report.as_mut());
        drop(report);
        print(&summary?, &self.folder);
        Ok(())
    }
}

fn print(summary: &Summary, folder: &Path) {
    println!("seed        epoch   MAE complete   MAE missing   (validation)");
    for run in &summary.runs {
        println!("{:<10} {:>6}   {:>12.4}   {:>11.4}", run.seed, run.epoch, run.valid.complete, run.valid.missing);
    }
    if summary.runs.len() > 1 {
        let (mean, deviation) = (&summary.mean, &summary.deviation);
        println!("{:<17}   {:>12.4}   {:>11.4}", "mean", mean.complete, mean.missing);
        println!("{:<17}   {:>12.4}   {:>11.4}", "std deviation", deviation.complete, deviation.missing);
    }
    println!("{}", folder.display());
}
