//! The learning rate over epochs (spec section 6).

use serde::{Deserialize, Serialize};

use crate::{Result, TrainerError};

/// Linear warm-up, then steps down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// Epochs of warm-up; in the last of them the rate is whole.
    pub warmup: usize,
    /// Factor of each step down.
    pub decay: f64,
    /// Epochs between steps down.
    pub every: usize,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { warmup: 5, decay: 0.9, every: 10 }
    }
}

impl Schedule {
    /// What the learning rate is multiplied with in `epoch`, counted from 0.
    pub fn factor(&self, epoch: usize) -> f64 {
        if epoch < self.warmup {
            return (epoch + 1) as f64 / self.warmup as f64;
        }
        let steps = (epoch + 1 - self.warmup) / self.every.max(1);
        self.decay.powi(i32::try_from(steps).unwrap_or(i32::MAX))
    }

    /// Whether the settings can be.
    ///
    /// # Errors
    /// [`TrainerError::Setting`].
    pub fn validate(&self) -> Result<()> {
        if self.every == 0 {
            return Err(TrainerError::setting("schedule.every", "expected at least 1 epoch, found 0"));
        }
        if !(self.decay > 0.0 && self.decay <= 1.0) {
            let reason = format!("expected a factor above 0 and at most 1, found {}", self.decay);
            return Err(TrainerError::setting("schedule.decay", reason));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_those_of_the_specification() {
        let expected = [vec![0.2, 0.4, 0.6, 0.8], vec![1.0; 10], vec![0.9; 10], vec![0.81]].concat();
        for (epoch, expected) in expected.into_iter().enumerate() {
            let found = Schedule::default().factor(epoch);
            assert!((found - expected).abs() < 1e-12, "epoch {epoch}: {found}, expected {expected}");
        }
    }

    #[test]
    fn without_warm_up_the_rate_is_whole_at_once() {
        let schedule = Schedule { warmup: 0, decay: 0.5, every: 2 };
        let found: Vec<f64> = (0..5).map(|epoch| schedule.factor(epoch)).collect();
        assert_eq!(found, [1.0, 0.5, 0.5, 0.25, 0.25]);
        assert!(Schedule { every: 0, ..schedule }.validate().is_err());
        assert!(Schedule { decay: f64::NAN, ..schedule }.validate().is_err());
    }
}
