//! Signals as commands.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::{Handle, Signals};

use super::command::{Command, Handler};
use super::stage::message;
use crate::{Result, RuntimeError};

/// How long the end of watching waits for a command under way.
const PATIENCE: Duration = Duration::from_millis(200);

/// Turns signals into commands: SIGUSR1 mutes and unmutes, SIGHUP loads the bundle anew, SIGINT and SIGTERM end the session;
/// a second one of these ends the program at once.
pub struct SignalWatch {
    handle: Handle,
    asked: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SignalWatch {
    /// Starts to watch.
    ///
    /// # Errors
    /// [`RuntimeError::Thread`] when the system refuses.
    pub fn start(handler: Handler) -> Result<Self> {
        let failed = |source| RuntimeError::Thread { name: "signals", source };
        let stopping = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first one finds the flag unset and sets it, the second one finds it set.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stopping))
                .map_err(failed)?;
            signal_hook::flag::register(signal, Arc::clone(&stopping)).map_err(failed)?;
        }
        let mut signals = Signals::new([SIGUSR1, SIGHUP, SIGINT, SIGTERM]).map_err(failed)?;
        let handle = signals.handle();
        let asked = Arc::clone(&stopping);
        let work = move || {
            for signal in signals.forever() {
                let command = match signal {
                    SIGUSR1 => Command::ToggleMute,
                    SIGHUP => Command::Reload,
                    _ => {
                        stopping.store(true, Ordering::Relaxed);
                        Command::Stop
                    }
                };
                // The next signal is heard even if this one's command broke down.
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| handler(command))) {
                    log::error!("{command:?} broke down: {}", message(&*panic));
                }
            }
        };
        let thread = std::thread::Builder::new().name("signals".into()).spawn(work).map_err(failed)?;
        Ok(Self { handle, asked, thread: Some(thread) })
    }
}

impl SignalWatch {
    /// Whether SIGINT or SIGTERM came: set by the signal itself, so that nothing in this process can hold it up.
    pub fn end_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.handle.close();
        let Some(thread) = self.thread.take() else { return };
        // A command that hangs is not waited for.
        let deadline = Instant::now() + PATIENCE;
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}
