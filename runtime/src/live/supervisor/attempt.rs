//! One opening of a device, on a thread that can be left behind.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mien_capture::device::{PictureDevice, RawPicture, SoundDevice, SoundLender};
use mien_capture::quietly;

/// How often an open microphone is asked for a fault, and how soon a microphone is closed.
const LOOK: Duration = Duration::from_millis(10);

/// How far an attempt has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The driver has not answered yet.
    Opening,
    /// It is open; what it is called.
    Open(String),
    /// It could not be opened, or broke; why.
    Broken(String),
}

/// What an attempt's thread shares with the supervisor.
struct Shared {
    phase: Mutex<Phase>,
    /// The device is not wanted any longer.
    stop: AtomicBool,
    /// Samples or pictures so far.
    data: AtomicU64,
}

impl Shared {
    fn set(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// An attempt under way.
pub(super) struct Attempt {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
    /// When it began.
    pub(super) since: Instant,
}

/// What opens a device.
#[derive(Clone)]
pub(super) enum Opener {
    /// A microphone and the ring that it writes to.
    Sound(Arc<dyn SoundDevice>, SoundLender),
    /// A camera and where its pictures go.
    Pictures(Arc<dyn PictureDevice>, Arc<dyn Fn(RawPicture) + Send + Sync>),
}

impl Opener {
    /// The device's name before it is open.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Sound(device, _) => device.label(),
            Self::Pictures(device, _) => device.label(),
        }
    }

    /// Starts an attempt.
    ///
    /// # Errors
    /// Why no thread could be started.
    pub(super) fn start(&self) -> Result<Attempt, String> {
        let shared = Arc::new(Shared {
            phase: Mutex::new(Phase::Opening),
            stop: AtomicBool::new(false),
            data: AtomicU64::new(0),
        });
        let (opener, mine) = (self.clone(), Arc::clone(&shared));
        let name = match self {
            Self::Sound(..) => "microphone",
            Self::Pictures(..) => "camera",
        };
        let work = move || {
            let end = match quietly(|| opener.run(&mine)) {
                Ok(end) => end,
                Err(_) => Err("the driver's library broke down".into()),
            };
            mine.set(Phase::Broken(end.err().unwrap_or_else(|| "closed".into())));
        };
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(work)
            .map_err(|e| format!("cannot start a thread: {e}"))?;
        Ok(Attempt { shared, thread, since: Instant::now() })
    }

    /// Opens the device and keeps it until it breaks or is not wanted any longer.
    fn run(&self, shared: &Shared) -> Result<(), String> {
        match self {
            Self::Sound(device, lender) => {
                let sink = lender.lend().ok_or("the stream before still hangs in the driver and holds the ring")?;
                let counters = Arc::clone(sink.counters());
                let mut stream = device.open(sink).map_err(|e| e.to_string())?;
                let before = counters.received();
                shared.set(Phase::Open(stream.describe()));
                while !shared.stopped() {
                    shared.data.store(counters.received().saturating_sub(before), Ordering::Relaxed);
                    if let Some(fault) = stream.fault() {
                        return Err(fault.to_string());
                    }
                    std::thread::sleep(LOOK);
                }
                Ok(())
            }
            Self::Pictures(device, sink) => {
                let mut stream = device.open().map_err(|e| e.to_string())?;
                shared.set(Phase::Open(stream.describe()));
                while !shared.stopped() {
                    let picture = stream.next().map_err(|e| e.to_string())?;
                    shared.data.fetch_add(1, Ordering::Relaxed);
                    // A thread that was left behind may wake up with a picture that nobody wants any longer.
                    if !shared.stopped() {
                        sink(picture);
                    }
                }
                Ok(())
            }
        }
    }
}

impl Attempt {
    /// How far it has come.
    pub(super) fn phase(&self) -> Phase {
        self.shared.phase.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Samples or pictures so far.
    pub(super) fn data(&self) -> u64 {
        self.shared.data.load(Ordering::Relaxed)
    }

    /// Tells the thread that its device is not wanted any longer.
    pub(super) fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
    }

    /// Whether the thread has ended, and with it the device is closed.
    pub(super) fn ended(&self) -> bool {
        self.thread.is_finished()
    }
}
