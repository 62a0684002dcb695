//! What of a run is neither weights nor moments: how far it is, what was best, how it got there.

use serde::{Deserialize, Serialize};

use super::adam::Optimiser;
use super::checkpoint::Kept;
use super::experiment::{Experiment, Selection};
use crate::objective::TERMS;

/// The format of checkpoints that this program writes and reads.
pub const VERSION: u32 = 1;

/// A run's state between two steps. TOML, because its numbers read back to the last bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Format of the checkpoint.
    pub version: u32,
    /// The run's seed.
    pub seed: u64,
    /// The corpus's digest.
    pub data: String,
    /// Epoch, counted from 0; the number of epochs when the run is over.
    pub epoch: usize,
    /// Batches of the epoch that are done.
    pub batch: usize,
    /// Digest of the epoch's batches.
    pub order: String,
    /// Steps taken.
    pub step: u64,
    /// Sums of the epoch's terms so far, each weighted with its batch's clips.
    pub sums: [f64; TERMS.len()],
    /// Clips of the epoch that are done.
    pub clips: u64,
    /// Epochs since the best one.
    pub stale: usize,
    /// Whether no epoch is left.
    pub finished: bool,
    /// Length of the log in bytes: what a killed run wrote after it is written again.
    pub log: u64,
    /// The best epoch so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
    /// The run's experiment.
    pub experiment: Experiment,
}

/// The epoch that is chosen unless a better one comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Epoch, counted from 1.
    pub epoch: usize,
    /// Validation errors then.
    pub errors: Errors,
    /// File of its weights in the run's folder.
    pub file: String,
}

/// Mean absolute errors of both flows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errors {
    /// With real text.
    pub complete: f64,
    /// With simulated text.
    pub missing: f64,
}

impl Errors {
    /// The one number that `selection` goes by; smaller is better.
    pub fn score(&self, selection: Selection) -> f64 {
        match selection {
            Selection::Mean => (self.complete + self.missing) / 2.0,
            Selection::Complete => self.complete,
            Selection::Missing => self.missing,
        }
    }
}

impl Kept for State {
    const VERSION: u32 = VERSION;

    fn step(&self) -> u64 {
        self.step
    }

    fn optimiser(&self) -> Optimiser {
        self.experiment.optimiser
    }
}

impl State {
    /// The state of a run that has taken no step.
    pub(super) fn new(experiment: &Experiment, seed: u64, data: &str) -> Self {
        Self {
            version: VERSION,
            seed,
            data: data.to_owned(),
            epoch: 0,
            batch: 0,
            order: String::new(),
            step: 0,
            sums: [0.0; TERMS.len()],
            clips: 0,
            stale: 0,
            finished: false,
            log: 0,
            best: None,
            experiment: experiment.clone(),
        }
    }

    /// The means of the epoch's terms so far.
    pub fn means(&self) -> [f64; TERMS.len()] {
        self.sums.map(|sum| sum / self.clips.max(1) as f64)
    }

    /// Takes in a finished epoch's validation errors: whether they are the best so far, and whether the run is over.
    pub(super) fn judge(&mut self, errors: Errors) -> bool {
        let training = &self.experiment.training;
        let score = |errors: &Errors| errors.score(training.selection);
        let better = self.best.as_ref().is_none_or(|best| score(&errors) < score(&best.errors));
        self.epoch += 1;
        self.stale = if better { 0 } else { self.stale + 1 };
        let given_up = training.patience > 0 && self.stale >= training.patience;
        self.finished = self.epoch >= training.epochs || given_up;
        if better {
            self.best = Some(Best { epoch: self.epoch, errors, file: format!("best-{:04}.safetensors", self.epoch) });
        }
        (self.batch, self.clips, self.sums) = (0, 0, [0.0; TERMS.len()]);
        self.order.clear();
        better
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(patience: usize, epochs: usize) -> State {
        let mut experiment = Experiment::default();
        (experiment.training.patience, experiment.training.epochs) = (patience, epochs);
        State::new(&experiment, 42, "digest")
    }

    #[test]
    fn a_state_reads_back_equal() {
        let mut state = state(0, 3);
        state.sums = [0.1 + 0.2, 1.0 / 3.0, 1e-300, 2.0, 3.0, 4.0, 5.0];
        state.judge(Errors { complete: 0.7, missing: 2.0 / 3.0 });
        let text = toml::to_string(&state).unwrap();
        assert_eq!(toml::from_str::<State>(&text).unwrap(), state, "{text}");
    }

    #[test]
    fn a_run_ends_when_nothing_gets_better() {
        let mut state = state(2, 10);
        let errors = |e: f64| Errors { complete: e, missing: e + 0.1 };
        let judged: Vec<(bool, bool)> = [0.9, 0.8, 0.8, 0.7, 0.75, 0.7]
            .into_iter()
            .map(|e| {
                let better = state.judge(errors(e));
                (better, state.finished)
            })
            .collect();
        let expected = [(true, false), (true, false), (false, false), (true, false), (false, false), (false, true)];
        assert_eq!(judged, expected, "equal is not better");
        assert_eq!(state.best.unwrap().epoch, 4);
    }

    #[test]
    fn selection_decides_which_error_counts() {
        let errors = Errors { complete: 0.5, missing: 0.7 };
        assert_eq!(errors.score(Selection::Complete), 0.5);
        assert_eq!(errors.score(Selection::Missing), 0.7);
        assert!((errors.score(Selection::Mean) - 0.6).abs() < 1e-15);
    }
}
