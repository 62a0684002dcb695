//! Adam with L2 weight decay, as PyTorch's `torch.optim.Adam` computes it (spec section 6).
//!
//! Moments and master weights lie in the host's memory, whatever the device: four million numbers are cheap to move, a
//! checkpoint is exactly what is here, and one loop per tensor does all of a step.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Result, TrainerError};

/// The optimiser's settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Optimiser {
    /// Learning rate before the schedule's factor.
    pub rate: f64,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root of the second mean.
    pub epsilon: f64,
    /// Share of the weights that is added to their gradients.
    pub weight_decay: f64,
}

impl Default for Optimiser {
    fn default() -> Self {
        Self { rate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 1e-5 }
    }
}

impl Optimiser {
    /// Whether the settings can be.
    ///
    /// # Errors
    /// [`TrainerError::Setting`].
    pub fn validate(&self) -> Result<()> {
        let unit = |v: f64| (0.0..1.0).contains(&v);
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let checks = [
            ("rate", self.rate, positive(self.rate), "a finite number above 0"),
            ("beta1", self.beta1, unit(self.beta1), "a number from 0 to below 1"),
            ("beta2", self.beta2, unit(self.beta2), "a number from 0 to below 1"),
            ("epsilon", self.epsilon, positive(self.epsilon), "a finite number above 0"),
            (
                "weight_decay",
                self.weight_decay,
                self.weight_decay.is_finite() && self.weight_decay >= 0.0,
                "a finite number of at least 0",
            ),
        ];
        match checks.into_iter().find(|(_, _, fits, _)| !fits) {
            None => Ok(()),
            Some((key, found, _, expected)) => {
                Err(TrainerError::setting(format!("optimiser.{key}"), format!("expected {expected}, found {found}")))
            }
        }
    }
}

/// Running means of one tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moments {
    /// Of gradients.
    pub(crate) first: Vec<f32>,
    /// Of squared gradients.
    pub(crate) second: Vec<f32>,
}

/// The optimiser's state.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    settings: Optimiser,
    /// Steps taken.
    pub(crate) steps: u64,
    /// By parameter; a parameter that never had a gradient has no entry and is left alone.
    pub(crate) moments: BTreeMap<String, Moments>,
}

/// Numbers updated by one task.
const BLOCK: usize = 1 << 14;

impl Adam {
    /// An optimiser that has taken no step.
    pub fn new(settings: Optimiser) -> Self {
        Self { settings, steps: 0, moments: BTreeMap::new() }
    }

    /// One step with the schedule's `factor` on the `values` that have a gradient.
    pub fn step(
        &mut self,
        factor: f64,
        values: &mut BTreeMap<String, Vec<f32>>,
        gradients: &BTreeMap<String, Vec<f32>>,
    ) {
        self.steps += 1;
        let Optimiser { rate, beta1, beta2, epsilon, weight_decay } = self.settings;
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        // Scalars in f64, rounded once, as PyTorch takes them from Python.
        let size = (rate * factor / (1.0 - beta1.powi(steps))) as f32;
        let root = (1.0 - beta2.powi(steps)).sqrt() as f32;
        let (new1, new2) = ((1.0 - beta1) as f32, (1.0 - beta2) as f32);
        let (beta2, epsilon, decay) = (beta2 as f32, epsilon as f32, weight_decay as f32);
        for (name, values) in values {
            let Some(gradient) = gradients.get(name) else { continue };
            let n = values.len();
            let moments = self
                .moments
                .entry(name.clone())
                .or_insert_with(|| Moments { first: vec![0.0; n], second: vec![0.0; n] });
            let blocks = values
                .par_chunks_mut(BLOCK)
                .zip(gradient.par_chunks(BLOCK))
                .zip(moments.first.par_chunks_mut(BLOCK).zip(moments.second.par_chunks_mut(BLOCK)));
            blocks.for_each(|((values, gradient), (first, second))| {
                let numbers = values.iter_mut().zip(gradient).zip(first.iter_mut().zip(second.iter_mut()));
                for ((value, gradient), (first, second)) in numbers {
                    let gradient = gradient + decay * *value;
                    *first += new1 * (gradient - *first);
                    *second = *second * beta2 + new2 * gradient * gradient;
                    *value -= size * (*first / (second.sqrt() / root + epsilon));
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first step moves every weight by the learning rate against the sign of its gradient.
    #[test]
    fn first_step_is_the_learning_rate() {
        let mut adam = Adam::new(Optimiser { weight_decay: 0.0, ..Optimiser::default() });
        let mut values = BTreeMap::from([("a".to_owned(), vec![1.0, 1.0, 1.0]), ("b".to_owned(), vec![5.0])]);
        adam.step(0.5, &mut values, &BTreeMap::from([("a".to_owned(), vec![3.0, -1e-3, 0.0])]));
        let expected = [1.0 - 5e-5, 1.0 + 5e-5, 1.0];
        for (found, expected) in values["a"].iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 2e-7, "{found}, expected {expected}");
        }
        assert_eq!(values["b"], [5.0], "no gradient, no step");
        assert!(!adam.moments.contains_key("b"));
    }

    #[test]
    fn weight_decay_is_part_of_the_gradient() {
        let settings = Optimiser { weight_decay: 0.1, ..Optimiser::default() };
        let step = |value: f32, gradient: f32, settings| {
            let mut values = BTreeMap::from([("a".to_owned(), vec![value])]);
            Adam::new(settings).step(1.0, &mut values, &BTreeMap::from([("a".to_owned(), vec![gradient])]));
            values["a"][0]
        };
        // A gradient that the decay cancels leaves the weight where it is; decoupled decay would move it.
        assert_eq!(step(1.0, -0.1, settings), 1.0);
        assert!(step(1.0, 0.0, settings) < 1.0);
    }

    #[test]
    fn settings_that_cannot_be_are_refused() {
        let d = Optimiser::default();
        d.validate().unwrap();
        for wrong in [
            Optimiser { rate: 0.0, ..d },
            Optimiser { beta1: 1.0, ..d },
            Optimiser { beta2: f64::NAN, ..d },
            Optimiser { epsilon: 0.0, ..d },
            Optimiser { weight_decay: -1.0, ..d },
        ] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
    }
}
