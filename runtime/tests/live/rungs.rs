//! Which networks a session loads, what it leaves closed for that, and what a reload makes of it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::session::{Session, mien};
use crate::speech::{as_device, portrait, two_voices};

/// More than any machine has: a pebibyte.
const HUGE: u64 = 1 << 50;

/// A dry bundle, whose manifest may be changed: no digest covers it.
struct Bundle {
    path: PathBuf,
    good: String,
}

impl Bundle {
    fn in_folder(folder: &Path) -> Self {
        let path = folder.join("bundle");
        let made = mien(&["bundle", "dry", "--out"]).arg(&path).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let good = std::fs::read_to_string(path.join("manifest.toml")).unwrap();
        Self { path, good }
    }

    /// These of its needs are huge from now on.
    fn needs_too_much_for(&self, keys: &[&str]) {
        let line = |line: &str| {
            let key = keys.iter().find(|key| line.starts_with(&format!("{key} = ")));
            key.map_or(line.to_owned(), |key| format!("{key} = {HUGE}"))
        };
        let text = self.good.lines().map(line).collect::<Vec<_>>().join("\n");
        assert_eq!(text.matches(&HUGE.to_string()).count(), keys.len(), "{text}");
        std::fs::write(self.path.join("manifest.toml"), mien_models::bundle::seal(&text)).unwrap();
    }
}

fn is_bundle(line: &Value) -> bool {
    line["event"]["kind"] == "bundle"
}

fn opens_camera(seen: &[Value]) -> bool {
    seen.iter().any(|line| line["event"]["device"] == "camera")
}

#[test]
fn a_session_of_voice_alone_opens_no_camera_and_replays_to_the_same_records() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = Bundle::in_folder(folder.path());
    // The machine decides: there is no room for more.
    bundle.needs_too_much_for(&["with_llm", "without_llm"]);
    let (sound, face) = (as_device(&two_voices(folder.path())), as_device(&portrait()));
    let recording = folder.path().join("recording");
    let args = ["--microphone", &sound, "--camera", &face, "--bundle", bundle.path.to_str().unwrap()];
    let args = [&args[..], &["--record", recording.to_str().unwrap()]].concat();
    let mut session = Session::start(&args, &[]);
    let started = session.wait("start", |line| line["event"]["kind"] == "started");
    assert_eq!(started["event"]["rung"], "audio-only");
    for record in session.records(1, 2) {
        assert_eq!(record["rung"], "audio-only");
        assert_eq!((&record["mode"]["face"], &record["mode"]["text"]), (&"absent".into(), &"absent".into()));
        assert_eq!((&record["live"]["camera"], &record["live"]["llm"]), (&"closed".into(), &"off".into()));
    }
    let ended = session.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!opens_camera(&ended.seen), "{:#?}", ended.seen);
    let needed = format!("rung audio-only: full needs {} MiB", HUGE >> 20);
    assert!(ended.stderr.contains(&needed), "{}", ended.stderr);
    let replay =
        mien(&["replay", "--json", "--bundle", bundle.path.to_str().unwrap()]).arg(&recording).output().unwrap();
    assert_eq!(replay.status.code(), Some(0), "{}", String::from_utf8_lossy(&replay.stderr));
    assert!(String::from_utf8_lossy(&replay.stdout).contains("\"rung\":\"audio-only\""));
}

#[test]
fn a_reload_takes_the_rung_that_fits_then_and_one_that_fits_nowhere_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = Bundle::in_folder(folder.path());
    let (sound, face) = (as_device(&two_voices(folder.path())), as_device(&portrait()));
    let args = ["--microphone", &sound, "--camera", &face, "--bundle", bundle.path.to_str().unwrap()];
    let mut session = Session::start(&args, &[]);
    assert_eq!(session.records(2, 1)[0]["rung"], "full");

    bundle.needs_too_much_for(&["with_llm", "without_llm"]);
    session.signal("HUP");
    let told = session.next("bundle", is_bundle);
    assert_eq!((&told["event"]["rung"], &told["event"]["refused"]), (&"audio-only".into(), &Value::Null));
    // Told by another thread: before the reload's own line or after it.
    session.state("camera", "closed");
    let record = session.next("a score of voice alone", |line| line["rung"] == "audio-only");
    assert_eq!((&record["mode"]["face"], &record["live"]["llm"]), (&"absent".into(), &"off".into()));

    bundle.needs_too_much_for(&["with_llm", "without_llm", "audio_only"]);
    session.signal("HUP");
    let told = session.next("bundle", is_bundle);
    let refused = told["event"]["refused"].as_str().unwrap().to_owned();
    assert!(refused.contains(&format!("audio-only needs {} MiB", HUGE >> 20)), "{refused}");
    assert_eq!(told["event"]["rung"], "audio-only");
    let record = session.next("a score after the refusal", |line| line["revision"] == 1);
    assert_eq!(record["bundle"]["digest"], told["event"]["bundle"]["digest"]);

    bundle.needs_too_much_for(&[]);
    session.signal("HUP");
    let told = session.next("bundle", is_bundle);
    assert_eq!((&told["event"]["rung"], &told["event"]["refused"]), (&"full".into(), &Value::Null));
    // A face tells that the camera runs again; that it does is told before this line or after it.
    let seen = |line: &Value| line["revision"] == 2 && line["rung"] == "full" && line["mode"]["face"] == "present";
    let record = session.next("a score of everything", seen);
    assert_eq!(record["live"]["llm"], "done");
    let ended = session.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_session_climbs_no_higher_than_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = Bundle::in_folder(folder.path());
    bundle.needs_too_much_for(&["with_llm"]);
    let (sound, face) = (as_device(&two_voices(folder.path())), as_device(&portrait()));
    let args = ["--microphone", &sound, "--camera", &face, "--bundle", bundle.path.to_str().unwrap()];
    let mut session = Session::start(&args, &[]);
    assert_eq!(session.records(1, 1)[0]["rung"], "no-llm");
    bundle.needs_too_much_for(&[]);
    session.signal("HUP");
    let told = session.next("bundle", is_bundle);
    assert_eq!((&told["event"]["rung"], &told["event"]["refused"]), (&"no-llm".into(), &Value::Null));
    assert_eq!(session.stop().code, Some(0));
}
