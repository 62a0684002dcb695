//! Devices that hang: what is heard afterwards, what the service manager is told, and when the process gives up.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mien_capture::device::{
    DeviceKind, DeviceState, PictureDevice, PictureStream, RawPicture, SoundDevice, SoundSink, SoundStream, sound_ring,
};
use mien_capture::{CaptureError, SampleRate, SessionClock};
use mien_runtime::live::notify::Notifier;
use mien_runtime::live::pulse::Pulses;
use mien_runtime::live::supervisor::{CameraSetup, DeviceLimits, MicrophoneSetup, Supervisor, SupervisorSetup};

use crate::child::{Child, heard, in_child, tell};
use crate::session::Session;

/// Short, so that a device is given up soon.
const LIMITS: DeviceLimits = DeviceLimits {
    open: Duration::from_millis(500),
    first: Duration::from_millis(300),
    silent: Duration::from_millis(300),
};
/// How long a device may give nothing for a reason within the process.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a pretended driver behaves, opening by opening.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Driver {
    /// Opening never comes back.
    HangsInOpen,
    /// It gives sound, breaks, and closing never comes back; the second opening works.
    HangsInDropOnce,
    /// It opens and gives nothing.
    Silent,
    /// It is not plugged in.
    Missing,
    /// Its library breaks down.
    Panics,
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

struct Fake {
    driver: Driver,
    openings: AtomicUsize,
}

impl Fake {
    fn new(driver: Driver) -> Arc<Self> {
        Arc::new(Self { driver, openings: AtomicUsize::new(0) })
    }

    fn missing(kind: DeviceKind) -> CaptureError {
        CaptureError::DeviceUnknown { kind, wanted: "fake".into(), found: "none".into(), unasked: false }
    }
}

struct Stream {
    sink: SoundSink,
    gives: bool,
    breaks_at: Option<Instant>,
    hangs: bool,
}

impl SoundStream for Stream {
    fn describe(&self) -> String {
        "fake".into()
    }

    fn fault(&mut self) -> Option<CaptureError> {
        if self.gives {
            self.sink.push(&[0.25f32; 512], |s| s);
        }
        let broken = self.breaks_at.is_some_and(|at| Instant::now() >= at);
        broken.then(|| CaptureError::Device {
            kind: DeviceKind::Microphone,
            device: "fake".into(),
            action: "read it",
            reason: "it broke".into(),
            remedy: "mend it",
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.hangs {
            hang();
        }
    }
}

impl SoundDevice for Fake {
    fn label(&self) -> String {
        "fake".into()
    }

    fn open(&self, mut sink: SoundSink) -> mien_capture::Result<Box<dyn SoundStream>> {
        let first = self.openings.fetch_add(1, Ordering::Relaxed) == 0;
        sink.set_format(SampleRate::HZ_16000, 1);
        let stream = |gives, hangs| {
            let breaks_at = hangs.then(|| Instant::now() + Duration::from_millis(200));
            Ok(Box::new(Stream { sink, gives, breaks_at, hangs }) as Box<dyn SoundStream>)
        };
        match self.driver {
            Driver::HangsInOpen => hang(),
            Driver::HangsInDropOnce => stream(true, first),
            Driver::Silent => stream(false, false),
            Driver::Missing => Err(Self::missing(DeviceKind::Microphone)),
            Driver::Panics => panic!("a driver's library"),
        }
    }
}

/// A camera that hangs in its driver when it is asked for a picture, and is in use by that thread from then on.
struct HungCamera(AtomicUsize);

struct HungPictures;

impl PictureStream for HungPictures {
    fn describe(&self) -> String {
        "fake camera".into()
    }

    fn next(&mut self) -> mien_capture::Result<RawPicture> {
        hang();
    }
}

impl PictureDevice for HungCamera {
    fn label(&self) -> String {
        "fake camera".into()
    }

    fn open(&self) -> mien_capture::Result<Box<dyn PictureStream>> {
        if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
            return Ok(Box::new(HungPictures));
        }
        Err(CaptureError::Device {
            kind: DeviceKind::Camera,
            device: "fake camera".into(),
            action: "open it",
            reason: "busy".into(),
            remedy: "end the program that uses it",
        })
    }
}

#[test]
fn a_stream_that_hangs_when_it_is_closed_costs_its_ring_and_nothing_else() {
    let clock = SessionClock::start();
    let (lender, mut reader) = sound_ring(clock);
    let microphone = MicrophoneSetup { device: Fake::new(Driver::HangsInDropOnce), lender, limits: LIMITS };
    let setup = SupervisorSetup { microphone: Some(microphone), ..SupervisorSetup::new(clock) };
    let supervisor = Supervisor::start(setup).unwrap();
    let deadline = Instant::now() + crate::LIMIT;
    let mut streams = std::collections::BTreeSet::new();
    // The second stream is heard although the first one never gives its ring back.
    while !streams.contains(&2) {
        assert!(Instant::now() < deadline, "deaf: {:?}", supervisor.status(DeviceKind::Microphone));
        streams.extend(std::iter::from_fn(|| reader.take()).map(|block| block.stream));
        std::thread::sleep(Duration::from_millis(10));
    }
    let status = supervisor.status(DeviceKind::Microphone);
    assert_eq!((status.state, status.abandoned, reader.unreached()), (DeviceState::Running, 1, 1), "{status:?}");
    assert!(status.exhausted.is_none() && status.stuck.is_none(), "{status:?}");
    assert!(!supervisor.set_muted(true), "the hanging stream may still be open");
}

/// A supervisor with the devices of `role`, and a notifier, until stdin says `end`.
fn watched(role: &str) {
    let clock = SessionClock::start();
    let (lender, _reader) = sound_ring(clock);
    let driver = match role {
        "open" => Driver::HangsInOpen,
        "silent" => Driver::Silent,
        "panics" => Driver::Panics,
        _ => Driver::Missing,
    };
    let microphone = MicrophoneSetup { device: Fake::new(driver), lender, limits: LIMITS };
    let sink = Arc::new(|_| panic!("a picture"));
    let camera = CameraSetup { device: Arc::new(HungCamera(AtomicUsize::new(0))), sink, limits: LIMITS };
    let pulses = Pulses::new(clock);
    let supervisor = Arc::new(
        Supervisor::start(SupervisorSetup {
            microphone: (role != "camera").then_some(microphone),
            camera: (role == "camera").then_some(camera),
            hung_device: PATIENCE,
            pulses: Some(pulses.clone()),
            ..SupervisorSetup::new(clock)
        })
        .unwrap(),
    );
    supervisor.set_muted(role == "muted");
    let kind = if role == "camera" { DeviceKind::Camera } else { DeviceKind::Microphone };
    let looked = Arc::clone(&supervisor);
    let notifier = Notifier::start(pulses, move || looked.status(kind).stuck.unwrap_or_default()).unwrap();
    tell("ready");
    heard("end");
    drop(notifier);
}

/// Watchdog messages in `limit`, and the last status.
fn served(role: &'static str, limit: Duration) -> (usize, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let variables = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        // Served every quarter of a second.
        ("WATCHDOG_USEC", "500000"),
        ("HUNG_ROLE", role),
    ];
    let mut child = Child::start("hung::only_a_device_that_hangs_within_the_process_stops_the_watchdog", &variables);
    child.expect_in("ready", crate::LIMIT);
    // Past the time that is granted, and past the first attempts.
    let settled = Instant::now() + PATIENCE + Duration::from_secs(5);
    let end = settled + limit;
    let (mut count, mut status) = (0, String::new());
    while Instant::now() < end {
        let mut bytes = [0; 4_096];
        let Ok(length) = manager.recv(&mut bytes) else { continue };
        let message = String::from_utf8_lossy(&bytes[..length]).into_owned();
        for line in message.lines() {
            match line.strip_prefix("STATUS=") {
                Some(text) => status = text.to_owned(),
                None => count += usize::from(line == "WATCHDOG=1" && Instant::now() > settled),
            }
        }
    }
    child.say("end");
    child.exit_code();
    (count, status)
}

#[test]
fn only_a_device_that_hangs_within_the_process_stops_the_watchdog() {
    if in_child() {
        return watched(&std::env::var("HUNG_ROLE").unwrap());
    }
    let roles = ["open", "panics", "camera", "silent", "missing", "muted"];
    let waiting = Duration::from_secs(6);
    let all: Vec<(usize, String)> = std::thread::scope(|scope| {
        let each: Vec<_> = roles.iter().map(|&role| scope.spawn(move || served(role, waiting))).collect();
        each.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (role, (count, status)) in roles.iter().zip(all) {
        if ["open", "panics", "camera"].contains(role) {
            assert_eq!(count, 0, "{role} is served");
            assert!(status.contains("nothing for"), "{role}: {status}");
        } else {
            assert!(count >= 4, "{role} is served {count} times: {status}");
            assert!(!status.contains("nothing for"), "{role}: {status}");
        }
    }
}

/// A configuration of ALSA whose default device hangs when it is opened: a pipe that nobody writes to.
fn hanging_alsa(home: &Path) {
    let pipe = home.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut file = std::fs::File::create(home.join(".asoundrc")).unwrap();
    let text = format!(
        "pcm.!default {{ type file slave.pcm null file /dev/null infile \"{}\" format raw }}\n",
        pipe.display()
    );
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_session_whose_driver_hangs_again_and_again_ends_with_the_code_of_a_device() {
    let folder = tempfile::tempdir().unwrap();
    hanging_alsa(folder.path());
    let config = folder.path().join("mien.toml");
    std::fs::write(&config, "[microphone]\nopen_s = 0.2\n[engine]\nhung_device_s = 5\n").unwrap();
    let args = ["--no-llm", "--no-camera", "--config", config.to_str().unwrap()];
    let home = [("HOME".to_owned(), folder.path().to_str().unwrap().to_owned())];
    let mut session = Session::start(&args, &home);
    session.state("microphone", "reopening");
    let ended = session.ended();
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("8 threads hang in its driver"), "{}", ended.stderr);
    assert!(ended.seen.iter().any(|line| line["event"]["kind"] == "stopping"));
}
