//! The course of a training: stretches of steps, and a look at the validation split after each.

use super::log::{Line, StageLog};
use super::{Measures, StageFolder, Tell, Told};
use crate::train::{Plan, Stage, train_stage_until};
use crate::{Result, TrainerError};

/// What a training needs besides the network.
pub(crate) struct Course<'a> {
    pub(crate) folder: &'a StageFolder,
    pub(crate) plan: &'a Plan,
    /// Steps between two measures.
    pub(crate) measure_every: u64,
    pub(crate) tell: Tell<'a>,
}

impl Course<'_> {
    /// Trains `stage` to the plan's end, from where an earlier process was stopped; `measure` looks at the validation
    /// split. Gives the last measures.
    ///
    /// # Errors
    /// What training, `batch` and `measure` raise; Format for a damaged log; Io.
    pub(crate) fn run<S: Stage>(
        &self,
        stage: &mut S,
        batch: &mut dyn FnMut(u64) -> Result<S::Batch>,
        measure: &mut dyn FnMut(&S) -> Result<Measures>,
    ) -> Result<Measures> {
        let (name, steps, every) = (stage.name(), self.plan.ramp.steps, self.measure_every.max(1));
        let checkpoints = self.folder.checkpoints();
        self.folder.open_up()?;
        let mut step = train_stage_until(stage, self.plan, &checkpoints, 0, batch, &mut |_, _| ())?;
        let mut log = StageLog::open(self.folder.root(), &self.folder.desk, step)?;
        let mut loss = None;
        loop {
            // A training that was killed between a checkpoint and its measure lacks the measure.
            let due = step > 0 && (step.is_multiple_of(every) || step == steps);
            if due && log.measured(step).is_none() {
                let valid = measure(&*stage)?;
                log.add(Line { stage: name.to_owned(), step, loss: None, valid: Some(valid.clone()) })?;
                log.sync()?;
                (self.tell)(Told::Measured { stage: name, step, steps, loss, valid });
            }
            if step >= steps {
                break;
            }
            let until = ((step / every + 1) * every).min(steps);
            let (mut sum, mut taken) = (0.0, 0u64);
            let mut failed: Option<TrainerError> = None;
            step = train_stage_until(stage, self.plan, &checkpoints, until, batch, &mut |before, loss| {
                let step = before + 1;
                let line = Line { stage: name.to_owned(), step, loss: Some(loss), valid: None };
                // Before the checkpoint that a killed training goes on from.
                let kept = step == until || step.is_multiple_of(self.plan.checkpoint_every);
                let written = log.add(line).and_then(|()| if kept { log.sync() } else { Ok(()) });
                failed = failed.take().or(written.err());
                (sum, taken) = (sum + loss, taken + 1);
                (self.tell)(Told::Step { stage: name, step, steps, loss });
            })?;
            if let Some(error) = failed {
                return Err(error);
            }
            loss = (taken > 0).then(|| sum / taken as f64);
        }
        Ok(log.measured(steps).cloned().unwrap_or_default())
    }
}
