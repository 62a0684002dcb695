//! What is shown, one scenario a file.

pub(crate) mod card;
pub(crate) mod clock;
pub(crate) mod interval;
pub(crate) mod listing;
pub(crate) mod played;
pub(crate) mod refused;
pub(crate) mod stall;
pub(crate) mod twins;
pub(crate) mod unplug;

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

use crate::report::Report;
use crate::session::{Line, Session};
use crate::speech;

/// A lost microphone is told of within.
pub(crate) const MICROPHONE_SEEN: Duration = Duration::from_secs(1);
/// A lost camera is told of within.
pub(crate) const CAMERA_SEEN: Duration = Duration::from_secs(2);
/// A device that came back works within.
pub(crate) const BACK: Duration = Duration::from_secs(5);

/// The states of a device that is lost.
const LOST: &[&str] = &["stalled", "reopening"];

/// The side of the loopback card that hears.
pub(crate) const MICROPHONE: &str = "alsa:plughw:CARD=Loopback,DEV=1";
/// The camera that shows a face, and its node.
pub(crate) const FACE_CAMERA: (&str, &str) = ("FaceCam", "/dev/video5");
/// The name of the two other such cameras, and their nodes.
pub(crate) const TWINS: (&str, [&str; 2]) = ("TwinCam", ["/dev/video6", "/dev/video7"]);
/// The id of the camera with the test picture.
pub(crate) const TEST_CAMERA: &str = "v4l:platform:vivid-000";
/// A portrait.
pub(crate) const FACE: &str = "/data/face.jpg";
/// A picture without a face.
pub(crate) const NO_FACE: &str = "/data/empty.jpg";

/// A configuration: sound at the rate at which it is played, so that nothing is resampled on the way; a driver's buffer that a
/// slow machine empties in time; as few pictures as software emulation can look at.
pub(crate) fn configuration(camera: &str) -> String {
    format!(
        "[microphone]\ndevice = \"{MICROPHONE}\"\nrate_hz = 16000\nbuffer_ms = 250\n\
         [camera]\ndevice = \"{camera}\"\nwidth = 160\nheight = 120\npictures_per_s = 1.0\n"
    )
}

/// The node of vivid, which takes the first free number each time that it comes.
pub(crate) fn test_camera_node() -> Result<String> {
    for entry in std::fs::read_dir("/sys/class/video4linux")? {
        let entry = entry?;
        if std::fs::read_to_string(entry.path().join("name"))?.starts_with("vivid") {
            return Ok(format!("/dev/{}", entry.file_name().display()));
        }
    }
    anyhow::bail!("vivid has no node")
}

/// Holds that the loss of a device at `since` is told of within `limit`.
pub(crate) fn seen(
    session: &mut Session,
    report: &mut Report,
    what: &str,
    device: &str,
    (since, limit): (Instant, Duration),
) -> Result<Line> {
    let line = session.change(device, LOST, since)?;
    report.timed(&format!("{what}: seen"), line.at - since, limit);
    Ok(line)
}

/// Holds that a device that came back at `returned` works soon; what was told of it since its loss otherwise.
pub(crate) fn back(
    session: &mut Session,
    report: &mut Report,
    device: &str,
    (since, returned): (Instant, Instant),
) -> Result<()> {
    let running = session.change(device, &["running"], returned)?;
    let took = running.at - returned;
    report.timed("back after its return", took, BACK);
    if took > BACK {
        let after = (returned - since).as_secs_f64();
        report.note("since its loss", &format!("{}; it came back after {after:.2} s", session.story(device, since)));
    }
    Ok(())
}

/// A score in words.
pub(crate) fn shown(record: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let time = |key: &str| record[key].as_f64().unwrap_or(f64::NAN);
    let lost = match &record["dropped"] {
        Value::Object(lost) if !lost.is_empty() => format!(", lost {}", record["dropped"]),
        _ => String::new(),
    };
    format!(
        "{:.2} s, valence {}, voice {}, face {}, microphone {}, camera {}{lost}",
        time("end_s") - time("start_s"),
        record["valence"].as_f64().map_or("none".into(), |v| format!("{v:.4e}")),
        text(&record["mode"]["audio"]),
        text(&record["mode"]["face"]),
        text(&record["live"]["microphone"]),
        text(&record["live"]["camera"]),
    )
}

/// Whether an utterance was scored from voice and, as told, a face.
pub(crate) fn scored(record: &Value, face: &str) -> bool {
    record["valence"].is_number() && record["mode"]["audio"] == "present" && record["mode"]["face"] == face
}

/// Plays two utterances now and gives their first scores.
pub(crate) fn say(session: &mut Session) -> Result<Vec<Line>> {
    let since = Instant::now();
    let mut player = speech::play()?;
    let records = session.records(1, 2, since)?;
    let _ = player.wait();
    Ok(records)
}

/// Says two utterances and holds that the second one was scored with voice and face while both devices run.
pub(crate) fn whole(session: &mut Session, report: &mut Report, what: &str, face: &str) -> Result<()> {
    let records = say(session)?;
    for Line { value, .. } in records.iter().skip(1) {
        let running = value["live"]["microphone"] == "running" && value["live"]["camera"] == "running";
        report.holds(what, scored(value, face) && running, &shown(value));
    }
    Ok(())
}

/// Holds that utterances said since a camera's loss were scored: the first of them at all, for it may still have seen the
/// face; the second one without a face, naming the camera's state.
pub(crate) fn reduced(records: &[Line], report: &mut Report) {
    for (index, Line { value, .. }) in records.iter().enumerate() {
        let told = value["live"]["camera"] != "running" && value["live"]["microphone"] == "running";
        match index {
            0 => {
                let goes_on = value["valence"].is_number() && value["mode"]["audio"] == "present";
                report.holds("scores go on", goes_on, &shown(value));
            }
            _ => report.holds("the next score names the mode", scored(value, "absent") && told, &shown(value)),
        }
    }
}
