//! Telling systemd that we are ready, how we are, and that every stage still turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use super::pulse::Pulses;
use crate::steering::is_steering;
use crate::{Result, RuntimeError};

/// How often the status is told anew.
const STATUS: Duration = Duration::from_secs(5);
/// How often it is looked whether there is something to do.
const TURN: Duration = Duration::from_millis(100);

/// The connection to the service manager; without one, nothing is sent.
pub struct Notifier {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Notifier {
    /// Tells that the program is ready, and from then on how it is. The watchdog is served at half of its interval, and
    /// only while every stage of `pulses` has turned within the interval; else systemd starts the program anew.
    ///
    /// # Errors
    /// [`RuntimeError::Thread`].
    pub fn start(pulses: Pulses, status: impl Fn() -> String + Send + 'static) -> Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ended);
        let work = move || {
            send(&[NotifyState::Ready]);
            let watchdog = sd_notify::watchdog_enabled();
            let mut watched = Instant::now();
            let mut told = Instant::now();
            let mut last = None;
            while !stop.load(Ordering::Relaxed) {
                if last.is_none() || told.elapsed() >= STATUS {
                    told = Instant::now();
                    // A line end would begin another message to the service manager.
                    let now: String = status().chars().map(|c| if is_steering(c) { ' ' } else { c }).collect();
                    if last.as_ref() != Some(&now) {
                        send(&[NotifyState::Status(&now)]);
                        last = Some(now);
                    }
                }
                if let Some(interval) = watchdog.filter(|interval| watched.elapsed() >= *interval / 2) {
                    watched = Instant::now();
                    let stuck = pulses.stuck(interval);
                    if stuck.is_empty() {
                        send(&[NotifyState::Watchdog]);
                    } else {
                        log::error!("no progress for {interval:?}: {}; systemd will start anew", stuck.join(", "));
                    }
                }
                std::thread::sleep(TURN);
            }
            send(&[NotifyState::Stopping]);
        };
        let thread = std::thread::Builder::new()
            .name("notify".into())
            .spawn(work)
            .map_err(|source| RuntimeError::Thread { name: "notify", source })?;
        Ok(Self { ended, thread: Some(thread) })
    }
}

impl Notifier {
    /// Tells the service manager at once how the program is.
    pub fn tell(&self, status: &str) {
        let line: String = status.chars().map(|c| if is_steering(c) { ' ' } else { c }).collect();
        send(&[NotifyState::Status(&line)]);
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Without a service manager there is nobody to tell, and a service manager that does not listen cannot be told so.
fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("systemd was not told: {error}");
    }
}
