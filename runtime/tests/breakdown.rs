//! What becomes of a session whose threads panic: each is asked to, one after the other, in one process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod dry;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mien_runtime::config::Config;
use mien_runtime::live::command::Command;
use mien_runtime::live::event::What;
use mien_runtime::live::failpoint;
use mien_runtime::live::graph::Output;
use mien_runtime::live::session::{LeftBehind, Live};
use mien_runtime::live::tape::Tape;
use mien_runtime::recording::writer::TapeWriter;

/// Far longer than anything here takes, on any machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A second of noise between silences, which is an utterance for the detector by loudness.
fn noise(folder: &Path) -> String {
    let path = folder.join("noise.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(&path, spec).unwrap();
    let mut random = fastrand::Rng::with_seed(5);
    (0..16_000).for_each(|_| wav.write_sample(random.i16(-8_000..8_000)).unwrap());
    wav.finalize().unwrap();
    format!("file:{}", path.display())
}

/// A picture of noise: the stage looks at it, whether there is a face or not.
fn picture(folder: &Path) -> String {
    let path = folder.join("noise.png");
    let mut random = fastrand::Rng::with_seed(6);
    image::RgbImage::from_fn(160, 120, |_, _| image::Rgb(std::array::from_fn(|_| random.u8(..)))).save(&path).unwrap();
    format!("file:{}", path.display())
}

fn config(folder: &Path) -> Config {
    let mut config = Config { bundle: Some(dry::dry()), ..Config::default() };
    config.microphone.device = noise(folder);
    config.camera.device = picture(folder);
    config.speech.detector = mien_runtime::config::SpeechDetector::Energy;
    config
}

/// Passes over what comes until `wanted` says so.
#[track_caller]
fn until<T>(live: &Live, what: &str, mut wanted: impl FnMut(&Output) -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        assert!(Instant::now() < deadline, "never {what}");
        if let Some(found) = live.next(Duration::from_millis(100)).as_ref().and_then(&mut wanted) {
            return found;
        }
    }
}

/// The next record of this revision that has a score.
#[track_caller]
fn score(live: &Live, revision: u8) {
    until(live, "a score", |output| match output {
        Output::Record(r) if r.revision == revision && r.valence.is_some() => Some(()),
        _ => None,
    });
}

/// The next fault of `thread`: whether it goes on.
#[track_caller]
fn fault(live: &Live, thread: &str) -> bool {
    until(live, thread, |output| match output {
        Output::Event(event) => match &event.what {
            What::Fault { thread: broken, restarted, .. } if broken == thread => Some(*restarted),
            _ => None,
        },
        Output::Record(_) => None,
    })
}

/// Why a reload was refused; none where it was not.
#[track_caller]
fn reloaded(live: &Live) -> Option<String> {
    until(live, "the end of a reload", |output| match output {
        Output::Event(event) => match &event.what {
            What::Bundle { refused, .. } => Some(refused.clone()),
            _ => None,
        },
        Output::Record(_) => None,
    })
}

#[test]
fn a_thread_that_panics_goes_on_or_ends_the_session_and_never_half_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let tape = Arc::new(Tape::new(&folder.path().join("recording")));
    let writer = TapeWriter::start(Arc::clone(&tape)).unwrap();
    let live = Live::start(&config, Some(Arc::clone(&tape))).unwrap();
    score(&live, 2);
    // Between two turns, and in the midst of an utterance.
    for (point, thread) in [
        ("listen", "listen"),
        ("faces", "faces"),
        ("score", "score"),
        ("read", "read"),
        ("scoring", "score"),
        ("reading", "read"),
    ] {
        let start = Instant::now();
        failpoint::panic_in(point);
        assert!(fault(&live, thread), "{point}: the stage did not go on");
        score(&live, 1);
        score(&live, 2);
        println!("{point} broke down: both scores again after {:?}", start.elapsed());
    }
    assert!(failpoint::none_left() && live.fault().is_none());

    // A reload that breaks while it loads, or while its bundle is taken into use, can be asked for again.
    for point in ["reload", "swap"] {
        failpoint::panic_in(point);
        assert_eq!(live.command(Command::Reload)["ok"], true);
        let refused = reloaded(&live).expect("a reload that broke is refused");
        assert!(refused.contains("broke down"), "{refused}");
        assert_eq!(live.command(Command::Reload)["ok"], true, "after {point}");
        assert_eq!(reloaded(&live), None);
        score(&live, 2);
    }

    // The recording ends and says so; scoring goes on.
    failpoint::panic_in("recording");
    let reason = until(&live, "the recording's end", |output| match output {
        Output::Event(event) => match &event.what {
            What::Recording { on: false, reason, .. } => reason.clone(),
            _ => None,
        },
        Output::Record(_) => None,
    });
    assert!(reason.contains("broke down"), "{reason}");
    score(&live, 2);
    assert!(writer.finish(|| {}));

    // One that breaks again and again is not begun for ever.
    (0..4).for_each(|_| failpoint::panic_in("faces"));
    while fault(&live, "faces") {}
    assert_eq!(live.fault().unwrap().thread, "faces");
    let start = Instant::now();
    let left = live.stop(None, drop);
    println!("ended after {:?}", start.elapsed());
    assert_eq!(left, LeftBehind::default());
    assert!(start.elapsed() < LIMIT / 4);

    // Without the one that watches, nobody would see the next fault.
    let live = Live::start(&config, None).unwrap();
    score(&live, 1);
    failpoint::panic_in("watch");
    assert!(!fault(&live, "watch"));
    assert_eq!(live.fault().unwrap().thread, "watch");
    live.stop(None, drop);
}
