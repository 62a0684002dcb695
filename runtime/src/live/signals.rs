//! Signals as commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::{Handle, Signals};

use super::command::{Command, Handler};
use crate::{Result, RuntimeError};

/// Turns signals into commands: SIGUSR1 mutes and unmutes, SIGHUP loads the bundle anew, SIGINT and SIGTERM end the session;
/// a second one of these ends the program at once.
pub struct SignalWatch {
    handle: Handle,
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
        let work = move || {
            for signal in signals.forever() {
                match signal {
                    SIGUSR1 => drop(handler(Command::ToggleMute)),
                    SIGHUP => drop(handler(Command::Reload)),
                    _ => {
                        stopping.store(true, Ordering::Relaxed);
                        drop(handler(Command::Stop));
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("signals".into()).spawn(work).map_err(failed)?;
        Ok(Self { handle, thread: Some(thread) })
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
