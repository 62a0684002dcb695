//! Cameras: which there are, whether the configured one opens, and whether it shows something.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use mien_capture::device::{PictureDevice, camera};
use mien_capture::{CaptureError, SessionClock};
use zeroize::Zeroize;

use super::patience::{Steps, Stopped, within};
use super::{DEVICE, Finding};
use crate::RuntimeError;
use crate::config::Config;
use crate::live::devices;
use crate::live::supervisor::DeviceLimits;
use crate::rung::{Rung, RungSetting};

/// Time for asking every camera what it can do.
const LISTING: Duration = Duration::from_secs(5);
/// No configured deadline is waited for longer.
const LONGEST: Duration = Duration::from_secs(10);
/// How long a picture that shows something is waited for, after a dark or broken one: cameras need some to adjust.
const ADJUSTING: Duration = Duration::from_millis(1_500);
/// Time for closing.
const CLOSING: Duration = Duration::from_secs(3);
/// A picture of lower mean brightness, of 255, shows nothing.
const DARK: f64 = 8.0;

/// The cameras that the system lists.
pub(super) fn list(add: &mut dyn FnMut(Finding)) {
    let check = "cameras";
    add(match within(LISTING, camera::list) {
        Err(stopped) => {
            let found = format!("asked for a list: {stopped}");
            Finding::failure(check, DEVICE, found, "pull the cameras' cables and plug them in again, or restart")
        }
        Ok(Err(error)) => Finding::error(check, &RuntimeError::Clip(error)),
        Ok(Ok(found)) if found.is_empty() => Finding::note(
            check,
            "none",
            "plug one in; `dmesg | tail` shows what the kernel sees; give a container --device /dev/video0",
        ),
        Ok(Ok(found)) => super::listed(check, &found),
    });
}

/// Opens the configured camera and takes pictures, unless the session's `rung` has no use for them.
pub(super) fn look(config: &Config, rung: Option<Rung>, add: &mut dyn FnMut(Finding)) {
    let check = "camera";
    if !config.camera.enabled {
        add(Finding::ok(check, "switched off in the configuration"));
        return;
    }
    if let Some(rung) = rung.filter(|rung| !rung.has_face()) {
        let why = match config.engine.rung {
            RungSetting::Auto => "the finding on memory says why",
            _ => "engine.rung asks for it",
        };
        add(Finding::ok(check, format!("skipped: rung {rung} opens no camera ({why})")));
        return;
    }
    look_at(devices::camera(config, SessionClock::start()), config.camera.limits(), add);
}

fn look_at(device: Arc<dyn PictureDevice>, limits: DeviceLimits, add: &mut dyn FnMut(Finding)) {
    let check = "camera";
    let label = device.label();
    let (open, first) = (limits.open.min(LONGEST), limits.first.min(LONGEST));
    let steps = Steps::of(move |tell: &SyncSender<Step>| probe(device.as_ref(), tell));
    let stuck = |what: &str, found: String| {
        let fix =
            "pull the cable and plug it in again; try another USB socket or a smaller camera.width and camera.height";
        Finding::failure(check, DEVICE, format!("camera {label}: cannot {what}: {found}"), fix)
    };
    let described = match steps.next(open) {
        Ok(Step::Opened(described)) => described,
        Ok(Step::Refused(error)) => return add(Finding::error(check, &RuntimeError::Clip(error))),
        // It is opened before it is looked at.
        Ok(Step::Seen(_)) => return,
        Err(stopped) => return add(stuck("open it", format!("{stopped} ({:.1} s)", open.as_secs_f64()))),
    };
    match steps.next(first + ADJUSTING) {
        Ok(Step::Seen(seen)) => add(judged(check, &described, &seen)),
        Ok(Step::Refused(error)) => add(Finding::error(check, &RuntimeError::Clip(error))),
        Ok(Step::Opened(_)) => {}
        Err(stopped) => {
            let waited = format!("{stopped} ({:.1} s)", (first + ADJUSTING).as_secs_f64());
            return add(stuck("get a picture", waited));
        }
    }
    // Also so that no driver is at work when the program ends.
    if !steps.ended(CLOSING) {
        add(stuck("close it", Stopped::Hung.to_string()));
    }
}

/// How far the thread at the camera has come.
enum Step {
    /// It is open; what it is called.
    Opened(String),
    /// It cannot be opened, or broke.
    Refused(CaptureError),
    /// It gave pictures.
    Seen(Seen),
}

/// The brightest picture.
#[derive(Clone, Copy, Debug)]
struct Seen {
    width: u32,
    height: u32,
    /// Mean brightness, 0 to 255.
    brightness: f64,
}

fn probe(device: &dyn PictureDevice, tell: &SyncSender<Step>) {
    // Nobody listens any longer where the time is up: what cannot be told is of no use.
    let tell = |step: Step| {
        let _ = tell.send(step);
    };
    let mut stream = match device.open() {
        Ok(stream) => stream,
        Err(error) => return tell(Step::Refused(error)),
    };
    tell(Step::Opened(stream.describe()));
    let mut best: Option<Seen> = None;
    let mut begun = None;
    loop {
        let mut picture = match stream.next() {
            Ok(picture) => picture,
            Err(error) => return tell(Step::Refused(error)),
        };
        let begun = *begun.get_or_insert_with(Instant::now);
        let decoded = picture.decode();
        picture.bytes.zeroize();
        let over = begun.elapsed() >= ADJUSTING;
        match decoded {
            Ok(frame) => {
                let (width, height) = (frame.width(), frame.height());
                let mut bytes = frame.into_data();
                let sum: u64 = bytes.iter().map(|&b| u64::from(b)).sum();
                let brightness = sum as f64 / bytes.len().max(1) as f64;
                bytes.zeroize();
                if best.is_none_or(|b| b.brightness < brightness) {
                    best = Some(Seen { width, height, brightness });
                }
            }
            // The first picture of many cameras is broken.
            Err(error) if over && best.is_none() => return tell(Step::Refused(error)),
            Err(_) => {}
        }
        if let Some(seen) = best.filter(|b| over || b.brightness >= DARK) {
            return tell(Step::Seen(seen));
        }
    }
}

fn judged(check: &'static str, described: &str, seen: &Seen) -> Finding {
    let Seen { width, height, brightness } = seen;
    let found = format!("{described}: a {width} x {height} picture, mean brightness {brightness:.0} of 255");
    if *brightness < DARK {
        Finding::warning(check, format!("{found}: black"), "open the lens' cover, switch the light on")
    } else {
        Finding::ok(check, found)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use mien_capture::Timestamp;
    use mien_capture::device::{PictureStream, PixelFormat, RawPicture};

    use super::super::Status;
    use super::*;

    /// Gives grey pictures of these brightnesses, the last one again and again; `None` is a broken one. Without any, it
    /// hangs.
    struct Fake(Vec<Option<u8>>);

    impl PictureDevice for Fake {
        fn label(&self) -> String {
            "fake".into()
        }

        fn open(&self) -> mien_capture::Result<Box<dyn PictureStream>> {
            Ok(Box::new(FakeStream(self.0.clone())))
        }
    }

    struct FakeStream(Vec<Option<u8>>);

    impl PictureStream for FakeStream {
        fn describe(&self) -> String {
            "fake camera".into()
        }

        fn next(&mut self) -> mien_capture::Result<RawPicture> {
            while self.0.is_empty() {
                std::thread::park();
            }
            let shade = if self.0.len() > 1 { self.0.remove(0) } else { self.0[0] };
            let bytes = shade.map_or_else(Vec::new, |shade| vec![shade; 64 * 48]);
            std::thread::sleep(Duration::from_millis(5));
            Ok(RawPicture { format: PixelFormat::Grey, width: 64, height: 48, bytes, time: Timestamp::ZERO })
        }
    }

    fn last_step(shades: &[Option<u8>]) -> Step {
        let (sender, receiver) = sync_channel(4);
        probe(&Fake(shades.to_vec()), &sender);
        drop(sender);
        receiver.iter().last().unwrap()
    }

    #[test]
    fn dark_and_broken_pictures_are_waited_over() {
        let Step::Seen(seen) = last_step(&[None, Some(0), Some(120)]) else { panic!("a picture was there") };
        assert!((seen.brightness - 120.0).abs() < 0.01 && seen.width == 64 && seen.height == 48, "{seen:?}");
        let finding = judged("camera", "fake camera", &seen);
        assert_eq!(finding.status, Status::Ok);
    }

    #[test]
    fn a_camera_that_gives_no_picture_ends_as_a_finding() {
        let limits = DeviceLimits {
            open: Duration::from_secs(10),
            first: Duration::from_millis(100),
            silent: Duration::from_secs(1),
        };
        let mut all = Vec::new();
        look_at(Arc::new(Fake(Vec::new())), limits, &mut |finding| all.push(finding));
        let [finding] = all.as_slice() else { panic!("{all:?}") };
        assert!(finding.exit_code == 4 && finding.found.contains("cannot get a picture"), "{finding:?}");
    }

    #[test]
    fn a_covered_lens_and_broken_pictures_are_told() {
        let Step::Seen(seen) = last_step(&[Some(1)]) else { panic!("a picture was there") };
        let finding = judged("camera", "fake camera", &seen);
        assert!(finding.status == Status::Warning && finding.found.contains("black"), "{finding:?}");
        let Step::Refused(error) = last_step(&[None]) else { panic!("no picture can be decoded") };
        assert!(matches!(error, CaptureError::Picture { .. }), "{error}");
    }
}
