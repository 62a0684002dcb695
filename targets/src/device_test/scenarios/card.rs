//! A sound card that is unplugged while somebody speaks, and plugged in again.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{FACE, FACE_CAMERA, MICROPHONE_SEEN, back, configuration, seen, shown, whole};
use crate::faults::{CARD, gone};
use crate::feeder::Feeder;
use crate::report::Report;
use crate::session::Session;
use crate::speech;

/// Longer than the longest wait between two attempts to open the card.
const AWAY: Duration = Duration::from_secs(12);
/// So much of an utterance is said before the card goes.
const SAID: Duration = Duration::from_millis(600);

pub(crate) fn run(report: &mut Report) -> Result<()> {
    let start = Instant::now();
    let _feeder = Feeder::start(FACE_CAMERA.1, FACE)?;
    let mut session = Session::start("card", &configuration(FACE_CAMERA.0), &["--no-llm"])?;
    session.running(&["microphone", "camera"], start)?;

    let mut player = speech::play()?;
    session.until("speaking", |view| view["speaking"] == true)?;
    std::thread::sleep(SAID);
    let since = Instant::now();
    let answer = CARD.unbind();
    let lost = seen(&mut session, report, "unbound", "microphone", (since, MICROPHONE_SEEN))?;
    let reason = lost.value["event"]["reason"].as_str().unwrap_or_default();
    report.holds("the reason is told", !reason.is_empty(), reason);
    for line in session.records(1, 1, since)? {
        let told = line.value["live"]["microphone"] != "running" && line.value["live"]["camera"] == "running";
        let what = "what was said until then is scored";
        // Cut short, it may hold no picture at one a second.
        let scored = line.value["valence"].is_number() && line.value["mode"]["audio"] == "present";
        report.holds(what, scored && told, &shown(&line.value));
    }
    gone(&answer)?;
    let _ = player.wait();
    std::thread::sleep(AWAY.saturating_sub(since.elapsed()));
    report.holds("the camera runs on", session.unchanged("camera", since), "no change of its state");

    let returned = Instant::now();
    CARD.bind()?;
    back(&mut session, report, "microphone", (since, returned))?;
    std::thread::sleep(Duration::from_secs(1));
    whole(&mut session, report, "afterwards: voice and face", "present")?;
    session.stop()
}
