//! How long and how fast a stage learns.

use mien_models::bundle::Sha256;
use serde::{Deserialize, Serialize};

use crate::train::{Optimiser, Plan, Ramp};
use crate::{Result, TrainerError};

/// Largest length of the whole gradient.
const LONGEST_GRADIENT: f64 = 1.0;
/// Share of the rate at which training ends.
const FLOOR: f64 = 0.02;

/// Length and speed of a training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// First values and everything that is drawn depend on it.
    pub seed: u64,
    /// Steps in all.
    pub steps: u64,
    /// Examples of a step.
    pub batch: usize,
    /// Learning rate at its highest.
    pub rate: f64,
    /// Steps until it is reached.
    pub warmup: u64,
    /// Steps between two measures of the validation split; each leaves a checkpoint.
    pub measure_every: u64,
    /// Steps between two checkpoints: what a stop costs at most.
    pub checkpoint_every: u64,
}

impl Pace {
    /// The plan of a training on what `digest` stands for.
    ///
    /// # Errors
    /// Setting.
    pub(crate) fn plan(&self, digest: Sha256) -> Result<Plan> {
        if self.batch == 0 {
            return Err(TrainerError::setting("batch", "expected at least 1, found 0"));
        }
        if self.measure_every == 0 {
            return Err(TrainerError::setting("measure_every", "expected at least 1 step, found 0"));
        }
        let plan = Plan {
            optimiser: Optimiser { rate: self.rate, weight_decay: 0.0, ..Optimiser::default() },
            ramp: Ramp { warmup: self.warmup.min(self.steps), steps: self.steps, floor: FLOOR },
            longest_gradient: LONGEST_GRADIENT,
            checkpoint_every: self.checkpoint_every,
            digest: digest.to_string(),
        };
        plan.validate()?;
        Ok(plan)
    }
}
