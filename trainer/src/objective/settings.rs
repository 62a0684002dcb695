//! Weights and switches of the objective.

use serde::{Deserialize, Serialize};

use super::Rnc;
use crate::{Result, TrainerError};

/// Which text vectors the first distillation compares (paper-vs-code row 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mkd1Operand {
    /// The queries of view t, as in the authors' code.
    #[default]
    Query,
    /// h_t, as in the paper.
    Representation,
}

/// Weights, detaches, temperature and tolerances; the defaults are the full method's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Objective {
    /// Weight of the error with real text.
    pub task_complete: f64,
    /// Weight of the error with simulated text.
    pub task_missing: f64,
    /// Weight of the first distillation (alpha).
    pub mkd1: f64,
    /// Weight of the second distillation (beta).
    pub mkd2: f64,
    /// Weight of the alignment of fused representations (gamma).
    pub rs: f64,
    /// Weight of rank-N-contrast (delta).
    pub rnc: f64,
    /// What the first distillation compares.
    pub mkd1_operand: Mkd1Operand,
    /// Whether the flow with real text is a constant in the first distillation.
    pub mkd1_detach: bool,
    /// Whether the flow with real text is a constant in the second distillation.
    pub mkd2_detach: bool,
    /// Whether the flow with real text is a constant in the alignment.
    pub rs_detach: bool,
    /// Temperature of rank-N-contrast.
    pub temperature: f64,
    /// Label distances this much smaller still count as equal: labels are thirds in f32.
    pub tolerance: f64,
    /// Added under the roots of the distances.
    pub epsilon: f64,
}

impl Default for Objective {
    fn default() -> Self {
        Self {
            task_complete: 0.5,
            task_missing: 0.5,
            mkd1: 0.1,
            mkd2: 0.7,
            rs: 0.13,
            rnc: 0.5,
            mkd1_operand: Mkd1Operand::Query,
            mkd1_detach: true,
            mkd2_detach: true,
            rs_detach: false,
            temperature: 2.0,
            tolerance: 1e-4,
            epsilon: 1e-12,
        }
    }
}

impl Objective {
    /// Whether the settings can be.
    ///
    /// # Errors
    /// [`TrainerError::Setting`].
    pub fn validate(&self) -> Result<()> {
        let weights = [
            ("task_complete", self.task_complete),
            ("task_missing", self.task_missing),
            ("mkd1", self.mkd1),
            ("mkd2", self.mkd2),
            ("rs", self.rs),
            ("rnc", self.rnc),
            ("tolerance", self.tolerance),
            ("epsilon", self.epsilon),
        ];
        for (key, value) in weights {
            if !(value.is_finite() && value >= 0.0) {
                let reason = format!("expected a finite number of at least 0, found {value}");
                return Err(TrainerError::setting(format!("objective.{key}"), reason));
            }
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            let reason = format!("expected a finite number above 0, found {}", self.temperature);
            return Err(TrainerError::setting("objective.temperature", reason));
        }
        if self.task_complete == 0.0 && self.task_missing == 0.0 {
            return Err(TrainerError::setting(
                "objective.task_complete",
                "both task weights are 0: nothing is learned",
            ));
        }
        Ok(())
    }

    pub(super) fn rnc_settings(&self) -> Rnc {
        Rnc { temperature: self.temperature, tolerance: self.tolerance }
    }
}
