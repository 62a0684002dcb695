//! Whether every thread still makes progress, looked at from within the process: it may have no service manager.
//!
//! Stages beat at every turn, five times a second even without work, and after every operator of a network's run, however slow the
//! machine is. So no beat for ten seconds means a thread that hangs, or one that is gone. A hanging thread holds what it works with, so
//! the session cannot go on without it: it ends with an exit code of its own, and whatever started it starts it anew.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::failpoint;
use super::graph::Wiring;
use super::pulse::Pulses;
use super::session::OUTPUT_STAGE;
use super::stage::message;
use crate::{Result, RuntimeError};

/// From when on a thread without a beat stands still.
pub(crate) const STILL: Duration = Duration::from_secs(10);
/// How often everything is looked at.
const TURN: Duration = Duration::from_millis(100);
/// A turn of the watch itself that took so long means that the whole machine slept, or the process was stopped.
const SLEPT: Duration = Duration::from_secs(2);
/// How long the ending may make no progress.
const ENDING: Duration = Duration::from_millis(350);

/// A thread that broke or stood still, so that the session cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The thread.
    pub thread: String,
    /// What happened.
    pub reason: String,
}

impl From<Fault> for RuntimeError {
    fn from(fault: Fault) -> Self {
        Self::Broken { thread: fault.thread, reason: fault.reason }
    }
}

/// Ends the process where the session does not end by itself.
pub(crate) type LastResort = Box<dyn Fn(Option<&Fault>) + Send>;

/// The watching thread; ends when dropped.
pub(crate) struct Watch {
    ended: Arc<AtomicBool>,
    last_resort: Arc<Mutex<Option<LastResort>>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts to watch the stages of `pulses`; `stopping` tells whether somebody asked for the end.
    ///
    /// # Errors
    /// [`RuntimeError::Thread`].
    pub(crate) fn start(
        wiring: Arc<Wiring>,
        pulses: Pulses,
        stopping: impl Fn() -> bool + Send + 'static,
    ) -> Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let last_resort: Arc<Mutex<Option<LastResort>>> = Arc::default();
        let (stop, leave) = (Arc::clone(&ended), Arc::clone(&last_resort));
        let work = move || {
            let watching = AssertUnwindSafe(|| watch(&wiring, &pulses, &stopping, &stop, &leave));
            if let Err(panic) = catch_unwind(watching) {
                wiring.broke("watch", &format!("broke down: {}", message(&*panic)), false);
            }
        };
        let thread = std::thread::Builder::new()
            .name("watch".into())
            .spawn(work)
            .map_err(|source| RuntimeError::Thread { name: "watch", source })?;
        Ok(Self { ended, last_resort, thread: Some(thread) })
    }

    /// What ends the process where the session does not end by itself.
    pub(crate) fn set_last_resort(&self, leave: LastResort) {
        *self.last_resort.lock().unwrap_or_else(PoisonError::into_inner) = Some(leave);
    }
}

/// Looks at everything until it is to end.
fn watch(
    wiring: &Wiring,
    pulses: &Pulses,
    stopping: &dyn Fn() -> bool,
    ended: &AtomicBool,
    leave: &Mutex<Option<LastResort>>,
) {
    let (mut turned, mut slept) = (Instant::now(), Instant::now());
    let mut ending = None;
    while !ended.load(Ordering::Relaxed) {
        std::thread::sleep(TURN);
        failpoint::here("watch");
        if turned.elapsed() > SLEPT {
            slept = Instant::now();
        }
        turned = Instant::now();
        // Nobody could beat while everything slept.
        if slept.elapsed() > STILL {
            for thread in pulses.still(STILL) {
                wiring.broke(thread, &format!("no progress for {} s", STILL.as_secs()), false);
            }
        }
        if let Some(tape) = &wiring.tape {
            tape.end_if_still(STILL);
        }
        if wiring.fatal.get().is_none() && !stopping() {
            continue;
        }
        let since = *ending.get_or_insert_with(Instant::now);
        // The thread that writes the output is the one that ends everything.
        if since.elapsed() > ENDING && pulses.still(ENDING).contains(&OUTPUT_STAGE) {
            let leave = leave.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(leave) = leave.as_ref() {
                leave(wiring.fatal.get());
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return };
        // Nobody watches the watch: it is not waited for without end.
        let deadline = Instant::now() + 3 * TURN;
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}
