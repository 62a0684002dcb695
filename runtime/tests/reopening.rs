//! A device that is missing for months: ten thousand attempts leave nothing behind.
//!
//! A program of its own, and its tests one after the other: memory and descriptors are those of the whole process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(target_os = "linux")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mien_capture::SessionClock;
use mien_capture::device::camera::{Camera, CameraRequest};
use mien_capture::device::microphone::{Microphone, MicrophoneRequest};
use mien_capture::device::{DeviceKind, DeviceState, sound_ring};
use mien_runtime::live::supervisor::{CameraSetup, DeviceLimits, MicrophoneSetup, Supervisor, SupervisorSetup};

/// Attempts after which libraries have made what they make once.
const WARM: u64 = 500;
/// Attempts that count.
const ATTEMPTS: u64 = 10_000;
/// Growth that is allowed, bytes.
const GROWTH: i64 = 1_000_000;
/// Far longer than it takes.
const LIMIT: Duration = Duration::from_secs(900);

const LIMITS: DeviceLimits =
    DeviceLimits { open: Duration::from_secs(60), first: Duration::from_secs(60), silent: Duration::from_secs(60) };

/// Memory and descriptors of a process are shared by all of its tests.
static ALONE: Mutex<()> = Mutex::new(());

/// Resident bytes, descriptors, threads.
fn held() -> (i64, usize, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let number = |key: &str| -> i64 {
        let line = status.lines().find_map(|l| l.strip_prefix(key)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
    (number("VmRSS:") * 1024, descriptors, usize::try_from(number("Threads:")).unwrap())
}

/// Lets the supervisor fail until it has failed so often.
fn fail_until(supervisor: &Supervisor, kind: DeviceKind, faults: u64) {
    let deadline = Instant::now() + LIMIT;
    while supervisor.status(kind).faults < faults {
        assert!(Instant::now() < deadline, "{} attempts in {LIMIT:?}", supervisor.status(kind).faults);
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn leaves_nothing(kind: DeviceKind, setup: SupervisorSetup) {
    let supervisor = Supervisor::start(SupervisorSetup { impatient: true, ..setup }).unwrap();
    fail_until(&supervisor, kind, WARM);
    let before = held();
    fail_until(&supervisor, kind, WARM + ATTEMPTS);
    let status = supervisor.status(kind);
    assert!(matches!(status.state, DeviceState::Opening | DeviceState::Reopening), "it never gives up: {status:?}");
    assert_eq!(status.openings, 0);
    assert!(status.reason.is_some_and(|r| r.contains("mien devices")), "the reason says what to do");
    let after = held();
    let growth = after.0 - before.0;
    println!(
        "{kind}: {ATTEMPTS} failed attempts, resident memory {growth:+} bytes, descriptors {} -> {}",
        before.1, after.1
    );
    assert!(growth <= GROWTH, "resident memory grew by {growth} bytes");
    // An attempt under way may hold a descriptor and a thread at either moment; all are back once it is shut.
    supervisor.shut();
    let ended = held();
    assert!(ended.1 <= before.1 && ended.2 < before.2, "{before:?} became {ended:?}");
}

#[test]
fn ten_thousand_attempts_at_a_missing_microphone_leave_nothing() {
    let _alone = ALONE.lock().unwrap();
    let clock = SessionClock::start();
    let (lender, _reader) = sound_ring(clock);
    let request = MicrophoneRequest {
        device: "alsa:plughw:CARD=NoSuchCard,DEV=0".into(),
        rate_hz: None,
        buffer: Duration::from_millis(100),
    };
    let microphone = MicrophoneSetup { device: Arc::new(Microphone::new(request)), lender, limits: LIMITS };
    let setup = SupervisorSetup { microphone: Some(microphone), ..SupervisorSetup::new(clock) };
    leaves_nothing(DeviceKind::Microphone, setup);
}

#[test]
fn ten_thousand_attempts_at_a_missing_camera_leave_nothing() {
    let _alone = ALONE.lock().unwrap();
    let clock = SessionClock::start();
    let request = CameraRequest { device: "/dev/video77".into(), width: 640, height: 480, fps: 30, format: None };
    let camera = CameraSetup {
        device: Arc::new(Camera::new(request, clock)),
        sink: Arc::new(|_| panic!("a picture of a missing camera")),
        limits: LIMITS,
    };
    let setup = SupervisorSetup { camera: Some(camera), ..SupervisorSetup::new(clock) };
    leaves_nothing(DeviceKind::Camera, setup);
}
