//! One opening of a device, on a thread that can be left behind.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mien_capture::device::{PictureDevice, RawPicture, SoundDevice, SoundLender};
use mien_capture::{CaptureError, quietly};

use super::backoff::Absence;

/// How often an open microphone is asked for a fault, and how soon a microphone is closed.
const LOOK: Duration = Duration::from_millis(10);

/// How far an attempt has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The driver has not answered yet.
    Opening,
    /// It is open; what it is called.
    Open(String),
    /// It could not be opened, or broke.
    Broken(Fault),
}

/// Why an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The cause and what to do.
    pub(super) reason: String,
    /// Where the device is meanwhile.
    pub(super) absence: Absence,
    /// Whether the cause lies in this process, which another one would not have.
    pub(super) within: bool,
}

impl Fault {
    /// A fault of a device that is there.
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), absence: Absence::Present, within: false }
    }

    /// A fault whose cause lies in this process.
    pub(super) fn within(reason: impl Into<String>) -> Self {
        Self { within: true, ..Self::new(reason) }
    }
}

impl From<CaptureError> for Fault {
    fn from(error: CaptureError) -> Self {
        let missing = match error {
            // A node that stays while its device is away does not say what it was, and nothing tells when it comes back.
            CaptureError::DeviceUnknown { unasked, .. } => !unasked,
            CaptureError::DeviceAmbiguous { .. } => true,
            _ => false,
        };
        // Only Linux shows devices as nodes that are watched.
        let absence = if missing && cfg!(target_os = "linux") { Absence::Missing } else { Absence::Present };
        Self { reason: error.to_string(), absence, within: false }
    }
}

/// What an attempt's thread shares with the supervisor.
struct Shared {
    phase: Mutex<Phase>,
    /// The device is not wanted any longer.
    stop: AtomicBool,
    /// Samples or pictures so far.
    data: AtomicU64,
    /// The number of the ring that its stream writes to, if it has one.
    ring: OnceLock<u32>,
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

    /// Gives up what an attempt that hangs has: a microphone's ring, so that the next attempt gets another one. What a camera
    /// that hangs still delivers is thrown away anyhow.
    pub(super) fn abandon(&self, attempt: &Attempt) {
        if let (Self::Sound(_, lender), Some(ring)) = (self, attempt.shared.ring.get()) {
            lender.abandon(*ring);
        }
    }

    /// Starts an attempt.
    ///
    /// # Errors
    /// Why no thread could be started.
    pub(super) fn start(&self) -> Result<Attempt, Fault> {
        let shared = Arc::new(Shared {
            phase: Mutex::new(Phase::Opening),
            stop: AtomicBool::new(false),
            data: AtomicU64::new(0),
            ring: OnceLock::new(),
        });
        let (opener, mine) = (self.clone(), Arc::clone(&shared));
        let name = match self {
            Self::Sound(..) => "microphone",
            Self::Pictures(..) => "camera",
        };
        let work = move || {
            let end = match quietly(|| opener.run(&mine)) {
                Ok(end) => end,
                Err(_) => Err(Fault::within("the driver's library broke down")),
            };
            mine.set(Phase::Broken(end.err().unwrap_or_else(|| Fault::new("closed"))));
        };
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(work)
            .map_err(|e| Fault::within(format!("cannot start a thread: {e}; see `ulimit -u`")))?;
        Ok(Attempt { shared, thread, since: Instant::now() })
    }

    /// Opens the device and keeps it until it breaks or is not wanted any longer.
    fn run(&self, shared: &Shared) -> Result<(), Fault> {
        match self {
            Self::Sound(device, lender) => {
                let hangs = || Fault::within("the stream before does not end; it is given up soon");
                let sink = lender.lend().ok_or_else(hangs)?;
                let _ = shared.ring.set(sink.ring());
                let counters = Arc::clone(sink.counters());
                let mut stream = device.open(sink)?;
                let before = counters.received();
                shared.set(Phase::Open(stream.describe()));
                while !shared.stopped() {
                    shared.data.store(counters.received().saturating_sub(before), Ordering::Relaxed);
                    if let Some(fault) = stream.fault() {
                        return Err(fault.into());
                    }
                    std::thread::sleep(LOOK);
                }
                Ok(())
            }
            Self::Pictures(device, sink) => {
                let mut stream = device.open()?;
                shared.set(Phase::Open(stream.describe()));
                while !shared.stopped() {
                    let picture = stream.next()?;
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
