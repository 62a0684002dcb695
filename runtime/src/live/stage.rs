//! A stage's thread: turn after turn, and what becomes of it when a turn panics.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use mien_models::progress::on_progress;

use super::failpoint;
use super::graph::Wiring;
use super::pulse::Pulse;
use crate::Result;

/// Panics of one stage within [`RESTARTS_WITHIN`] after which it is not begun again: a fault that comes back with every utterance is
/// the service manager's to see.
const RESTARTS: usize = 3;
const RESTARTS_WITHIN: Duration = Duration::from_secs(60);

/// Whether a stage has more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There may be more work.
    Next,
    /// No more work comes.
    Over,
}

/// Work that one thread does in turns.
pub(crate) trait Stage {
    /// Waits for work, a fifth of a second at most, and does one piece of it. What was taken from a queue is answered for even where
    /// the turn panics.
    fn turn(&mut self) -> Turn;

    /// Throws away what a turn that broke off in the midst may have left half done.
    ///
    /// # Errors
    /// Why the stage cannot go on.
    fn renew(&mut self) -> Result<()>;
}

/// Runs `stage` until its work is over. A turn that panics costs the piece of work that it was at, and the stage goes on; one that
/// cannot go on, or breaks again and again, ends the session.
pub(crate) fn run(name: &'static str, mut stage: impl Stage, wiring: &Wiring, pulse: &Pulse) {
    // A network's run may take longer than a stage may stand still.
    let within = pulse.clone();
    on_progress(move || within.beat());
    let mut broken = VecDeque::new();
    loop {
        pulse.beat();
        let turn = catch_unwind(AssertUnwindSafe(|| {
            failpoint::here(name);
            stage.turn()
        }));
        let reason = match turn {
            Ok(Turn::Next) => continue,
            Ok(Turn::Over) => return pulse.end(),
            Err(panic) => message(&*panic),
        };
        broken.retain(|at: &Instant| at.elapsed() < RESTARTS_WITHIN);
        broken.push_back(Instant::now());
        let renewed = match catch_unwind(AssertUnwindSafe(|| stage.renew())) {
            _ if broken.len() > RESTARTS => Err(format!("{RESTARTS} times within a minute and once more")),
            Ok(renewed) => renewed.map_err(|error| error.to_string()),
            Err(panic) => Err(message(&*panic)),
        };
        match renewed {
            Ok(()) => wiring.broke(name, &format!("broke down and goes on: {reason}"), true),
            Err(why) => {
                wiring.broke(name, &format!("broke down: {reason}; cannot go on: {why}"), false);
                return;
            }
        }
    }
}

/// What a panic said.
pub(crate) fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".into())
}
