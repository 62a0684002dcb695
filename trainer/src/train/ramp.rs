//! The learning rate over steps, for networks that learn from nothing: up in a straight line, then down in one.

use serde::{Deserialize, Serialize};

use crate::{Result, TrainerError};

/// Warm-up, then a straight way down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ramp {
    /// Steps until the rate is whole.
    pub warmup: u64,
    /// Steps until the way down ends.
    pub steps: u64,
    /// Share of the rate at its end and after it.
    pub floor: f64,
}

impl Ramp {
    /// What the learning rate is multiplied with in `step`, counted from 0.
    pub fn factor(&self, step: u64) -> f64 {
        if step < self.warmup {
            return (step + 1) as f64 / self.warmup as f64;
        }
        let down = (self.steps.saturating_sub(self.warmup)).max(1) as f64;
        let done = ((step - self.warmup) as f64 / down).min(1.0);
        1.0 - (1.0 - self.floor) * done
    }

    /// Whether the settings can be.
    ///
    /// # Errors
    /// [`TrainerError::Setting`].
    pub fn validate(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.floor) {
            let reason = format!("expected a share from 0 to 1, found {}", self.floor);
            return Err(TrainerError::setting("ramp.floor", reason));
        }
        if self.steps < self.warmup {
            let reason = format!("expected at least the {} of the warm-up, found {}", self.warmup, self.steps);
            return Err(TrainerError::setting("ramp.steps", reason));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_goes_up_and_down_in_straight_lines() {
        let ramp = Ramp { warmup: 4, steps: 8, floor: 0.2 };
        let found: Vec<f64> = (0..10).map(|step| ramp.factor(step)).collect();
        for (found, expected) in found.into_iter().zip([0.25, 0.5, 0.75, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2, 0.2]) {
            assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
        }
        assert_eq!(Ramp { warmup: 0, ..ramp }.factor(0), 1.0);
    }

    #[test]
    fn settings_that_cannot_be_are_refused() {
        let ramp = Ramp { warmup: 4, steps: 8, floor: 0.2 };
        ramp.validate().unwrap();
        for wrong in [Ramp { floor: f64::NAN, ..ramp }, Ramp { floor: 1.1, ..ramp }, Ramp { steps: 3, ..ramp }] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
    }
}
