//! What a run tells while it goes on.

use serde::{Deserialize, Serialize};

use super::state::Errors;
use crate::objective::TERMS;

/// A step that was taken. A line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepDone {
    /// The run's seed.
    pub seed: u64,
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Batch of the epoch, counted from 1.
    pub batch: usize,
    /// Batches of the epoch.
    #[serde(skip)]
    pub batches: usize,
    /// Epochs of the run at most.
    #[serde(skip)]
    pub epochs: usize,
    /// Step of the run, counted from 1.
    pub step: u64,
    /// Clips in the batch.
    pub clips: usize,
    /// Learning rate.
    pub rate: f64,
    /// Terms of the objective in the order of [`TERMS`], before the step.
    pub terms: [f64; TERMS.len()],
}

/// An epoch that is over. A line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochDone {
    /// The run's seed.
    pub seed: u64,
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Epochs of the run at most.
    #[serde(skip)]
    pub epochs: usize,
    /// Means of the terms over the epoch's clips in the order of [`TERMS`].
    pub means: [f64; TERMS.len()],
    /// Mean absolute errors on the validation split.
    pub valid: Errors,
    /// Whether it is the best epoch so far.
    pub best: bool,
}

/// Takes what a run tells.
pub trait Report {
    /// A run begins, or goes on after `step` steps.
    fn began(&mut self, seed: u64, step: u64);
    /// A step was taken.
    fn step(&mut self, step: &StepDone);
    /// An epoch is over.
    fn epoch(&mut self, epoch: &EpochDone);
}

/// Tells nobody.
pub struct Silent;

impl Report for Silent {
    fn began(&mut self, _seed: u64, _step: u64) {}
    fn step(&mut self, _step: &StepDone) {}
    fn epoch(&mut self, _epoch: &EpochDone) {}
}
