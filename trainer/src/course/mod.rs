//! The course of one network's training before the fusion, from its first step to its files: folder, log, pace.
//!
//! Such a training is called a stage. It can be killed at any moment and started again: it goes on from its newest checkpoint
//! and ends in the same bits.

mod finished;
mod folder;
mod log;
mod order;
mod pace;
mod stretches;

use std::collections::BTreeMap;

pub use finished::{FILE as FINISHED, Finished};
pub(crate) use folder::StageFolder;
pub use log::FILE as LOG;
pub(crate) use order::Order;
pub use pace::Pace;
pub(crate) use stretches::Course;

/// What was measured on the validation split, by name.
pub type Measures = BTreeMap<String, f64>;

/// How far a stage is.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Work before the first step.
    Prepares {
        /// The stage.
        stage: &'static str,
        /// What is done.
        what: &'static str,
        /// Pieces that are done.
        done: usize,
        /// Of so many.
        total: usize,
    },
    /// A step was taken.
    Step {
        /// The stage.
        stage: &'static str,
        /// Steps taken in all.
        step: u64,
        /// Steps of the whole training.
        steps: u64,
        /// The loss before the step.
        loss: f64,
    },
    /// The validation split was measured.
    Measured {
        /// The stage.
        stage: &'static str,
        /// Steps taken in all.
        step: u64,
        /// Steps of the whole training.
        steps: u64,
        /// Mean loss since the last measure, of the steps that this process took; none where it took none.
        loss: Option<f64>,
        /// What was found.
        valid: Measures,
    },
}

/// Hears of a stage's progress.
pub type Tell<'a> = &'a (dyn Fn(Told) + Sync);
