//! How networks are measured: the options that evaluations and reports have in common.

use clap::Args;
use mien_trainer::data::Split;
use mien_trainer::data::corpus::{SPLITS, split_name};
use mien_trainer::evaluate::{Measuring, Mode};

use super::fault::Fault;

/// Options that numbers depend on besides the weights.
#[derive(Clone, Debug, Args)]
pub(crate) struct ProtocolOptions {
    /// The split that is measured
    #[arg(long, default_value = "test", value_parser = split)]
    pub(crate) split: Split,
    /// The split that the 90 % intervals of scores come from; it must not be the one that is measured
    #[arg(long, default_value = "valid", value_parser = split)]
    pub(crate) calibrate: Split,
    /// Clips per batch, in the order of the corpus; counts with reference padding alone
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub(crate) batch: u32,
    /// Draws of the bootstrap
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) resamples: u32,
    /// Seed of the bootstrap
    #[arg(long, default_value_t = 1)]
    pub(crate) bootstrap_seed: u64,
    /// What computes: cpu, or cuda:N
    #[arg(long, default_value = "cpu")]
    pub(crate) device: String,
}

fn split(text: &str) -> Result<Split, String> {
    let found = SPLITS.into_iter().find(|split| split_name(*split) == text);
    found.ok_or_else(|| format!("expected train, valid or test, found {text:?}"))
}

impl ProtocolOptions {
    /// The same with the modes of a command.
    ///
    /// # Errors
    /// Usage for options that exclude each other.
    pub(crate) fn measuring(&self, modes: Vec<Mode>) -> Result<Measuring, Fault> {
        let measuring = Measuring {
            split: self.split,
            calibrate: self.calibrate,
            modes,
            batch: self.batch as usize,
            resamples: self.resamples as usize,
            seed: self.bootstrap_seed,
        };
        measuring.validate().map_err(|e| Fault::usage(e.to_string()))?;
        Ok(measuring)
    }
}
