//! One supervisor owns life and death of the devices.
//!
//! Every opening is a thread of its own that can be left behind when a driver hangs; the supervisor looks at all of them
//! every twentieth of a second, goes through one total table of states and events, and never gives up.

mod attempt;
mod backoff;
mod keeper;
mod presence;
mod state;
mod status;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mien_capture::SessionClock;
use mien_capture::device::{DeviceKind, PictureDevice, RawPicture, SoundDevice, SoundLender};

use super::pulse::Pulses;
use crate::{Result, RuntimeError};

use attempt::Opener;
use keeper::{Keeper, Watch};
pub use status::{DeviceChange, DeviceLimits, DeviceStatus};

/// How often everything is looked at.
const TURN: Duration = Duration::from_millis(50);
/// How often the device nodes are looked at, in turns.
const PRESENCE_TURNS: u32 = 5;
/// How long muting waits for the devices to close.
const CLOSING: Duration = Duration::from_millis(180);
/// How long the end waits for the devices to close.
const ENDING: Duration = Duration::from_secs(1);
/// How long a device may give nothing for a reason within this process, where nothing else is said.
const HUNG_DEVICE: Duration = Duration::from_secs(60);

/// A microphone to look after.
pub struct MicrophoneSetup {
    /// What opens it.
    pub device: Arc<dyn SoundDevice>,
    /// The ring that it writes to.
    pub lender: SoundLender,
    /// Its deadlines.
    pub limits: DeviceLimits,
}

/// A camera to look after.
pub struct CameraSetup {
    /// What opens it.
    pub device: Arc<dyn PictureDevice>,
    /// Where its pictures go; called on the camera's thread, must not wait.
    pub sink: Arc<dyn Fn(RawPicture) + Send + Sync>,
    /// Its deadlines.
    pub limits: DeviceLimits,
}

/// What a supervisor looks after.
pub struct SupervisorSetup {
    /// The session's clock.
    pub clock: SessionClock,
    /// The microphone, if there is to be one.
    pub microphone: Option<MicrophoneSetup>,
    /// The camera, if there is to be one.
    pub camera: Option<CameraSetup>,
    /// Told of every change worth telling, on the supervisor's thread.
    pub on_change: Box<dyn Fn(DeviceChange) + Send>,
    /// Called every turn.
    pub beat: Box<dyn Fn() + Send>,
    /// No wait between attempts: for tests of many attempts.
    pub impatient: bool,
    /// How long a device may give nothing for a reason within this process before the watchdog is not served any longer.
    pub hung_device: Duration,
    /// Where the watchdog looks; `None` for nowhere.
    pub pulses: Option<Pulses>,
}

impl SupervisorSetup {
    /// No devices, nobody to tell.
    pub fn new(clock: SessionClock) -> Self {
        Self {
            clock,
            microphone: None,
            camera: None,
            on_change: Box::new(|_| {}),
            beat: Box::new(|| {}),
            impatient: false,
            hung_device: HUNG_DEVICE,
            pulses: None,
        }
    }
}

/// The running supervisor. Dropping it closes the devices.
pub struct Supervisor {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    muted: AtomicBool,
    /// Whether pictures are of use; the camera stays closed while they are not.
    camera_wanted: AtomicBool,
    ending: AtomicBool,
    /// States of microphone and camera, and whether either may still be open.
    told: Mutex<Told>,
    changed: Condvar,
}

#[derive(Default)]
struct Told {
    microphone: DeviceStatus,
    camera: DeviceStatus,
    held: bool,
    /// Counts turns: muting waits for one that began after it.
    turns: u64,
    /// Ends the pause between turns.
    hurry: bool,
}

impl Shared {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    /// Starts to open the devices, and to keep them open.
    ///
    /// # Errors
    /// [`RuntimeError::Thread`].
    pub fn start(setup: SupervisorSetup) -> Result<Self> {
        let shared = Arc::new(Shared {
            muted: AtomicBool::new(false),
            camera_wanted: AtomicBool::new(true),
            ending: AtomicBool::new(false),
            told: Mutex::default(),
            changed: Condvar::new(),
        });
        let mine = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("supervisor".into())
            .spawn(move || supervise(setup, &mine))
            .map_err(|source| RuntimeError::Thread { name: "supervisor", source })?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Closes the devices, or opens them again. Closing returns once they are closed, or after a fifth of a second, when a
    /// driver hangs; what it still delivers is thrown away. Gives whether every device is closed.
    pub fn set_muted(&self, muted: bool) -> bool {
        self.shared.muted.store(muted, Ordering::Release);
        self.hurry();
        muted && self.closed_within(CLOSING)
    }

    /// Closes the camera, or lets it be opened, whatever becomes of the microphone; returns at once.
    pub fn set_camera_wanted(&self, wanted: bool) {
        self.shared.camera_wanted.store(wanted, Ordering::Release);
        self.hurry();
    }

    /// Whether the devices are closed on request.
    pub fn muted(&self) -> bool {
        self.shared.muted.load(Ordering::Acquire)
    }

    /// How a device stands.
    pub fn status(&self, kind: DeviceKind) -> DeviceStatus {
        let told = self.shared.told();
        match kind {
            DeviceKind::Microphone => told.microphone.clone(),
            DeviceKind::Camera => told.camera.clone(),
        }
    }

    /// The device that only another process can have, and why.
    pub fn exhausted(&self) -> Option<(DeviceKind, DeviceStatus)> {
        let told = self.shared.told();
        [(DeviceKind::Microphone, &told.microphone), (DeviceKind::Camera, &told.camera)]
            .into_iter()
            .find(|(_, status)| status.exhausted.is_some())
            .map(|(kind, status)| (kind, status.clone()))
    }

    /// Closes the devices for good and ends the thread.
    pub fn shut(&self) {
        self.shared.ending.store(true, Ordering::Release);
        self.hurry();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    fn hurry(&self) {
        self.shared.told().hurry = true;
        self.shared.changed.notify_all();
    }

    fn closed_within(&self, limit: Duration) -> bool {
        let told = self.shared.told();
        let begun = told.turns;
        let open = |t: &mut Told| t.turns < begun + 2 || t.held;
        let waited = self.shared.changed.wait_timeout_while(told, limit, open);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.shut();
    }
}

fn supervise(setup: SupervisorSetup, shared: &Shared) {
    let SupervisorSetup { clock, microphone, camera, on_change, beat, impatient, hung_device, pulses } = setup;
    let watch = |name| {
        let pulse = pulses.as_ref().map(|pulses| pulses.stage(name));
        Watch { clock, impatient, patience: hung_device, pulse }
    };
    let mut microphone = microphone.map(|m| {
        let opener = Opener::Sound(m.device, m.lender);
        Keeper::new(DeviceKind::Microphone, opener, m.limits, watch("microphone"))
    });
    let mut camera = camera.map(|c| {
        let opener = Opener::Pictures(c.device, c.sink);
        Keeper::new(DeviceKind::Camera, opener, c.limits, watch("camera"))
    });
    let mut tree = presence::fingerprint();
    let mut turn = 0u32;
    let mut ending_since = None;
    loop {
        beat();
        let ending = shared.ending.load(Ordering::Acquire);
        let wanted = !ending && !shared.muted.load(Ordering::Acquire);
        turn = turn.wrapping_add(1);
        let mut tree_changed = false;
        if turn.is_multiple_of(PRESENCE_TURNS) {
            let now = presence::fingerprint();
            tree_changed = std::mem::replace(&mut tree, now) != now;
        }
        let mut changes = Vec::new();
        let seeing = wanted && shared.camera_wanted.load(Ordering::Acquire);
        for (keeper, wanted) in [(&mut microphone, wanted), (&mut camera, seeing)] {
            changes.extend(keeper.iter_mut().flat_map(|keeper| keeper.turn(wanted, tree_changed)));
        }
        let held = [&microphone, &camera].into_iter().flatten().any(Keeper::held);
        {
            let status = |keeper: &Option<Keeper>| keeper.as_ref().map(|k| k.status.clone()).unwrap_or_default();
            let mut told = shared.told();
            told.microphone = status(&microphone);
            told.camera = status(&camera);
            told.held = held;
            told.turns += 1;
        }
        shared.changed.notify_all();
        changes.into_iter().for_each(&on_change);
        if ending {
            let since = *ending_since.get_or_insert_with(Instant::now);
            if !held || since.elapsed() > ENDING {
                [&microphone, &camera].into_iter().flatten().for_each(Keeper::end);
                return;
            }
        }
        // While closing, look again soon: muting is promised within a fifth of a second.
        let pause = match (impatient, !wanted && held) {
            (true, _) => Duration::from_millis(1),
            (false, true) => Duration::from_millis(5),
            (false, false) => TURN,
        };
        let told = shared.told();
        let waited = shared.changed.wait_timeout_while(told, pause, |told| !told.hurry);
        waited.unwrap_or_else(PoisonError::into_inner).0.hurry = false;
    }
}
