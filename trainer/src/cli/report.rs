//! `mien-train report`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use mien_trainer::data::corpus::split_name;
use mien_trainer::data::store::Store;
use mien_trainer::report::contribution::MODES;
use mien_trainer::report::similarity::{Feature, Sampling};
use mien_trainer::report::{Request, report};
use mien_trainer::train::{device, saved};

use super::import::Progress;
use super::output;
use super::protocol::ProtocolOptions;

/// One page about finished runs, the full method and its ablations side by side: curves, measures, similarity matrices,
/// calibration, what each modality is worth, environment. Pictures stand beside it as PNG files.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Folders of finished runs of one corpus
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The report's folder; a new one
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// The corpus: a feature store [default: the first run's]
    #[arg(long, value_name = "STORE")]
    data: Option<PathBuf>,
    /// The seed that pictures are of [default: the first of each run]
    #[arg(long)]
    seed: Option<u64>,
    /// Measure every seed, and not that one alone
    #[arg(long)]
    all_seeds: bool,
    /// Clips in a similarity matrix, at most
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(2..=2000))]
    sample: u32,
    /// Which clips these are
    #[arg(long, default_value_t = 1)]
    sample_seed: u64,
    /// What similarity is of: contrast (the features that rank-N-contrast arranges) or fused (those before them)
    #[arg(long, default_value_t = Feature::Contrast)]
    feature: Feature,
    #[command(flatten)]
    protocol: ProtocolOptions,
}

impl Report {
    pub(crate) fn run(self) -> Result<()> {
        let first = self.runs.first().context("no run: give the folder of a finished run")?;
        let path = match self.data {
            Some(data) => data,
            None => saved(first)?.data.context("the first run does not say where its corpus is: give --data")?,
        };
        let store = Store::open(&path)?;
        let device = device(&self.protocol.device)?;
        let request = Request {
            runs: &self.runs,
            measuring: self.protocol.measuring(MODES.into())?,
            seed: self.seed,
            all_seeds: self.all_seeds,
            sampling: Sampling { most: self.sample as usize, seed: self.sample_seed },
            feature: self.feature,
            device: &device,
            device_name: &self.protocol.device,
            made: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
        };
        let progress = Progress::new();
        let page = report(&request, &store, &self.out, &mut |step| {
            let what = format!("{} seed {}: {} {}", step.run, step.seed, split_name(step.split), step.what);
            progress.tell(&what, step.done, step.total);
        });
        progress.end();
        output::line(&page?.display().to_string())
    }
}
