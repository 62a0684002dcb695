//! A run's way through its epochs, from its log.

use std::path::Path;

use crate::objective::TERMS;
use crate::train::{Errors, RunLog, SeedResult};
use crate::{Result, TrainerError};

/// Most points of a curve over steps; neighbours are averaged until there are no more.
const MOST_POINTS: usize = 300;

/// An epoch of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Means of the objective's terms over the epoch's clips, in the order of [`TERMS`].
    pub means: [f64; TERMS.len()],
    /// Mean absolute errors on the validation split.
    pub valid: Errors,
    /// Learning rate.
    pub rate: f64,
}

/// The curves of one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// The seed.
    pub seed: u64,
    /// Epoch by epoch.
    pub epochs: Vec<Epoch>,
    /// The objective over steps: epochs done after the step (1.5 is in the middle of the second), and the weighted sum
    /// of all terms, averaged over neighbouring steps by their clips.
    pub total: Vec<(f64, f64)>,
    /// The chosen epoch, counted from 1.
    pub best: usize,
}

impl Curves {
    /// The curves in `log`, which must be the log of `result`; `folder` names it in messages.
    ///
    /// # Errors
    /// Run when log and result do not belong together.
    pub fn of(log: &RunLog, result: &SeedResult, folder: &Path) -> Result<Self> {
        let refuse = |what: &str, log: String, result: String| {
            let reason = format!("the log has {what} {log}, the result {result}; put the files of one run together");
            Err(TrainerError::Run { path: folder.to_owned(), reason })
        };
        if log.epochs.len() != result.epochs {
            return refuse("epochs", log.epochs.len().to_string(), result.epochs.to_string());
        }
        if log.steps.len() as u64 != result.steps {
            return refuse("steps", log.steps.len().to_string(), result.steps.to_string());
        }
        let best = log.epochs.iter().rev().find(|epoch| epoch.best).map_or(0, |epoch| epoch.epoch);
        if best != result.epoch {
            return refuse("the best epoch", best.to_string(), result.epoch.to_string());
        }
        let rate = |epoch: usize| log.steps.iter().rev().find(|step| step.epoch == epoch).map_or(0.0, |step| step.rate);
        let epochs = log.epochs.iter().map(|line| Epoch {
            epoch: line.epoch,
            means: line.means,
            valid: line.valid,
            rate: rate(line.epoch),
        });
        Ok(Self { seed: result.seed, epochs: epochs.collect(), total: totals(log), best })
    }

    /// The chosen epoch.
    pub fn chosen(&self) -> Option<&Epoch> {
        self.epochs.iter().find(|epoch| epoch.epoch == self.best)
    }
}

/// The first term over steps.
fn totals(log: &RunLog) -> Vec<(f64, f64)> {
    // Batches of an epoch are as many as its last one's number; an epoch that the log ends in counts as whole.
    let mut batches = std::collections::BTreeMap::new();
    for step in &log.steps {
        batches.insert(step.epoch, step.batch);
    }
    let width = log.steps.len().div_ceil(MOST_POINTS).max(1);
    let point = |steps: &[crate::train::StepDone]| {
        let last = steps.last()?;
        let share = last.batch as f64 / batches.get(&last.epoch).copied().unwrap_or(1).max(1) as f64;
        let clips: usize = steps.iter().map(|step| step.clips).sum();
        let sum: f64 = steps.iter().map(|step| step.terms[0] * step.clips as f64).sum();
        Some((last.epoch as f64 - 1.0 + share, sum / clips.max(1) as f64))
    };
    log.steps.chunks(width).filter_map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{EpochDone, StepDone};

    fn step(epoch: usize, batch: usize, step: u64, clips: usize, total: f64) -> StepDone {
        let rate = epoch as f64 * 1e-5;
        let terms = [total, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        StepDone { seed: 7, epoch, batch, batches: 0, epochs: 0, step, clips, rate, terms }
    }

    fn epoch(epoch: usize, complete: f64, best: bool) -> EpochDone {
        let valid = Errors { complete, missing: complete + 0.5 };
        EpochDone { seed: 7, epoch, epochs: 0, means: [epoch as f64; 7], valid, best }
    }

    fn log() -> RunLog {
        RunLog {
            steps: vec![step(1, 1, 1, 4, 9.0), step(1, 2, 2, 2, 6.0), step(2, 1, 3, 4, 5.0), step(2, 2, 4, 2, 4.0)],
            epochs: vec![epoch(1, 1.5, true), epoch(2, 1.25, true)],
        }
    }

    fn result(epoch: usize, epochs: usize, steps: u64) -> SeedResult {
        SeedResult { seed: 7, epoch, epochs, steps, valid: Errors { complete: 1.25, missing: 1.75 } }
    }

    #[test]
    fn curves_are_those_of_the_log() {
        let curves = Curves::of(&log(), &result(2, 2, 4), Path::new("seed-7")).unwrap();
        assert_eq!((curves.seed, curves.best), (7, 2));
        assert_eq!(curves.total, [(0.5, 9.0), (1.0, 6.0), (1.5, 5.0), (2.0, 4.0)]);
        assert_eq!(curves.epochs.iter().map(|e| (e.epoch, e.rate)).collect::<Vec<_>>(), [(1, 1e-5), (2, 2e-5)]);
        assert_eq!(curves.chosen().unwrap().valid, Errors { complete: 1.25, missing: 1.75 });
        assert_eq!(curves.chosen().unwrap().means, [2.0; 7]);
    }

    #[test]
    fn long_curves_are_averaged_by_clips() {
        // 900 steps in one epoch: three to a point, with 1, 2 and 3 clips.
        let steps = (0..900).map(|i| step(1, i + 1, i as u64 + 1, 1 + i % 3, (i % 3) as f64)).collect();
        let log = RunLog { steps, epochs: vec![epoch(1, 1.0, true)] };
        let curves = Curves::of(&log, &result(1, 1, 900), Path::new("seed-7")).unwrap();
        assert_eq!(curves.total.len(), MOST_POINTS);
        // (0 * 1 + 1 * 2 + 2 * 3) / 6
        assert!(curves.total.iter().all(|(_, value)| (value - 8.0 / 6.0).abs() < 1e-12));
        assert_eq!((curves.total[0].0, curves.total[299].0), (3.0 / 900.0, 1.0));
    }

    #[test]
    fn a_log_of_another_run_is_told() {
        let told = |result: SeedResult| Curves::of(&log(), &result, Path::new("run/seed-7")).unwrap_err().to_string();
        assert!(told(result(1, 2, 4)).contains("the best epoch 2, the result 1"));
        assert!(told(result(2, 3, 4)).contains("epochs 2, the result 3"));
        assert!(told(result(2, 2, 5)).contains("steps 4, the result 5"));
        assert!(told(result(2, 2, 5)).contains("seed-7"));
    }
}
