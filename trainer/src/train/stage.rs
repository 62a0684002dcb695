//! One network before the fusion, trained step by step: Adam, a ramp, a bound on the gradient, checkpoints.
//!
//! Weights, moments and the number of steps are a run's whole state, and the batch of a step is a function of its number:
//! so a run that was killed at any moment ends in the same bits. Checkpoints are those of the fusion's runs.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Tensor;
use mien_models::tensor::{NamedTensors, Tensor as Plain};
use serde::{Deserialize, Serialize};

use super::adam::{Adam, Optimiser};
use super::checkpoint::{self, Kept};
use super::ramp::Ramp;
use crate::networks::Parameters;
use crate::{Result, TrainerError};

/// Format of checkpoints.
const VERSION: u32 = 1;

/// A network with what it learns by.
pub trait Stage {
    /// What one step learns from.
    type Batch;

    /// Its name, for messages and checkpoints.
    fn name(&self) -> &'static str;

    /// What learns.
    fn parameters(&self) -> &Parameters;

    /// Takes other values for what learns.
    fn replace(&mut self, parameters: Parameters);

    /// The loss of `batch`.
    ///
    /// # Errors
    /// [`TrainerError::Input`] for a batch that does not fit.
    fn loss(&self, batch: &Self::Batch) -> Result<Loss>;
}

/// The loss of one batch.
pub struct Loss {
    /// `[1]`, to be differentiated.
    pub value: Tensor<1>,
    /// New values of what moves without a gradient: running averages, by name.
    pub running: BTreeMap<String, Vec<f32>>,
}

impl From<Tensor<1>> for Loss {
    fn from(value: Tensor<1>) -> Self {
        Self { value, running: BTreeMap::new() }
    }
}

/// How a network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The optimiser.
    pub optimiser: Optimiser,
    /// The learning rate over steps; training ends with its last.
    pub ramp: Ramp,
    /// Largest length of the whole gradient; a longer one is shortened to it.
    pub longest_gradient: f64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Digest of what the steps learn from, and of the network's sizes: a run goes on with the same alone.
    pub digest: String,
}

impl Plan {
    /// Whether the settings can be.
    ///
    /// # Errors
    /// [`TrainerError::Setting`].
    pub fn validate(&self) -> Result<()> {
        self.optimiser.validate()?;
        self.ramp.validate()?;
        if self.longest_gradient.is_nan() || self.longest_gradient <= 0.0 {
            let reason = format!("expected a number above 0, found {}", self.longest_gradient);
            return Err(TrainerError::setting("longest_gradient", reason));
        }
        if self.checkpoint_every == 0 {
            return Err(TrainerError::setting("checkpoint_every", "expected at least 1 step, found 0"));
        }
        Ok(())
    }
}

/// What a checkpoint holds beside weights and moments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    version: u32,
    stage: String,
    step: u64,
    plan: Plan,
}

impl Kept for Progress {
    const VERSION: u32 = VERSION;

    fn step(&self) -> u64 {
        self.step
    }

    fn optimiser(&self) -> Optimiser {
        self.plan.optimiser
    }
}

/// Trains `stage` as `plan` says, from the newest checkpoint in `folder`, else from the values that it has; the last step
/// leaves a checkpoint too. `batch` gives the batch of a step, counted from 0, and must give the same for the same
/// number; `done` hears of every step's number and loss, before the step's checkpoint is written.
///
/// # Errors
/// Setting; what `batch` and the stage raise; NotFinite for a loss or gradient that is no number, and then nothing has
/// changed; Io; Run for a checkpoint of another stage or plan.
pub fn train_stage<S: Stage>(
    stage: &mut S,
    plan: &Plan,
    folder: &Path,
    batch: &mut dyn FnMut(u64) -> Result<S::Batch>,
    done: &mut dyn FnMut(u64, f64),
) -> Result<()> {
    train_stage_until(stage, plan, folder, plan.ramp.steps, batch, done).map(|_| ())
}

/// As [`train_stage`], but ends when `until` steps are taken in all: how many were. With 0 the stage takes the newest
/// checkpoint's values and learns nothing. A run in several stretches ends in the bits of one in a single stretch.
///
/// # Errors
/// As [`train_stage`].
pub fn train_stage_until<S: Stage>(
    stage: &mut S,
    plan: &Plan,
    folder: &Path,
    until: u64,
    batch: &mut dyn FnMut(u64) -> Result<S::Batch>,
    done: &mut dyn FnMut(u64, f64),
) -> Result<u64> {
    plan.validate()?;
    let until = until.min(plan.ramp.steps);
    let mut student = Student::new(stage, plan, folder)?;
    while student.step < until {
        let step = student.step;
        let loss = student.step(&batch(step)?)?;
        done(step, loss);
        if student.step.is_multiple_of(plan.checkpoint_every) || student.step == until {
            student.checkpoint(folder)?;
        }
    }
    Ok(student.step)
}

/// A stage in training.
struct Student<'a, S> {
    stage: &'a mut S,
    plan: &'a Plan,
    /// Master copies of the weights by name, row-major.
    values: BTreeMap<String, Vec<f32>>,
    adam: Adam,
    step: u64,
}

impl<'a, S: Stage> Student<'a, S> {
    fn new(stage: &'a mut S, plan: &'a Plan, folder: &Path) -> Result<Self> {
        let Some(found) = checkpoint::newest::<Progress>(folder)? else {
            let (values, adam) = (stage.parameters().values()?, Adam::new(plan.optimiser));
            return Ok(Self { stage, plan, values, adam, step: 0 });
        };
        let Progress { stage: name, step, plan: begun, .. } = found.state;
        if name != stage.name() || begun != *plan {
            let reason = format!(
                "it holds a run of {name} with {begun:?}, expected {} with {plan:?}; go on as it was begun, or train \
                 into a new folder",
                stage.name()
            );
            return Err(TrainerError::Run { path: folder.to_owned(), reason });
        }
        let mut values = BTreeMap::new();
        for spec in stage.parameters().specs() {
            values.insert(spec.name.clone(), found.weights.get(&spec.name, &spec.shape)?.into_owned());
        }
        stage.replace(stage.parameters().clone().with_values(&values)?);
        Ok(Self { stage, plan, values, adam: found.adam, step })
    }

    /// One step: the loss before it.
    fn step(&mut self, batch: &S::Batch) -> Result<f64> {
        let Loss { value, running } = self.stage.loss(batch)?;
        let loss = value.clone().inner().try_into_scalar::<f64>().unwrap_or(f64::NAN);
        if !loss.is_finite() {
            return Err(self.not_finite("the loss".into(), loss));
        }
        let mut gradients = self.stage.parameters().gradients::<f32>(&mut value.backward())?;
        let mut square = 0f64;
        for (name, gradient) in &gradients {
            let own = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>();
            if !own.is_finite() {
                return Err(self.not_finite(format!("the gradient of {name}"), own));
            }
            square += own;
        }
        let shortened = self.plan.longest_gradient / square.sqrt();
        if shortened < 1.0 {
            gradients.values_mut().flatten().for_each(|g| *g = (f64::from(*g) * shortened) as f32);
        }
        self.adam.step(self.plan.ramp.factor(self.step), &mut self.values, &gradients);
        self.values.extend(running);
        self.stage.replace(self.stage.parameters().clone().with_values(&self.values)?);
        self.step += 1;
        Ok(loss)
    }

    fn checkpoint(&self, folder: &Path) -> Result<()> {
        let specs = self.stage.parameters().specs();
        let mut tensors = Vec::with_capacity(specs.len());
        for spec in &specs {
            let values = self.values.get(&spec.name).cloned().unwrap_or_default();
            tensors.push((spec.name.clone(), Plain::new(spec.shape.clone(), values)?));
        }
        let weights = NamedTensors::from_tensors(self.stage.name(), tensors);
        let progress = Progress {
            version: VERSION,
            stage: self.stage.name().to_owned(),
            step: self.step,
            plan: self.plan.clone(),
        };
        checkpoint::write(folder, &specs, &weights, &self.adam, &progress).map(|_| ())
    }

    fn not_finite(&self, what: String, value: f64) -> TrainerError {
        TrainerError::NotFinite {
            epoch: 1,
            step: self.step + 1,
            what: format!("{}: {what}", self.stage.name()),
            value,
            clips: format!("that of step {}", self.step + 1),
        }
    }
}
