//! What a run tells, as plain lines.

use std::time::Instant;

use mien_trainer::objective::TERMS;
use mien_trainer::train::{EpochDone, Report, StepDone};

use super::dashboard::dashboard;

/// What shows a run: a dashboard where there is a terminal, else lines.
pub(crate) fn reporter(plain: bool) -> Box<dyn Report> {
    let dashboard = if plain { None } else { dashboard() };
    dashboard.unwrap_or_else(lines)
}

fn lines() -> Box<dyn Report> {
    Box::new(Lines { begun: Instant::now(), first: 0 })
}

/// Steps between two lines.
const EVERY: usize = 10;

struct Lines {
    begun: Instant,
    /// Steps taken before the clock started.
    first: u64,
}

impl Report for Lines {
    fn began(&mut self, seed: u64, step: u64) {
        (self.begun, self.first) = (Instant::now(), step);
        match step {
            0 => eprintln!("seed {seed}: begins"),
            _ => eprintln!("seed {seed}: goes on after step {step}"),
        }
    }

    fn step(&mut self, step: &StepDone) {
        if !step.batch.is_multiple_of(EVERY) && step.batch != step.batches {
            return;
        }
        let seconds = self.begun.elapsed().as_secs_f64() / (step.step - self.first) as f64;
        eprintln!(
            "seed {} epoch {}/{} batch {}/{}: {} rate {:.1e} {seconds:.2} s/step",
            step.seed,
            step.epoch,
            step.epochs,
            step.batch,
            step.batches,
            terms(&step.terms),
            step.rate
        );
    }

    fn epoch(&mut self, epoch: &EpochDone) {
        eprintln!(
            "seed {} epoch {}/{} done: {} | validation MAE complete {:.4} missing {:.4}{}",
            epoch.seed,
            epoch.epoch,
            epoch.epochs,
            terms(&epoch.means),
            epoch.valid.complete,
            epoch.valid.missing,
            if epoch.best { " (best so far)" } else { "" }
        );
    }
}

fn terms(values: &[f64]) -> String {
    TERMS.iter().zip(values).map(|(name, value)| format!("{name} {value:.4}")).collect::<Vec<_>>().join(" ")
}
