//! Recordings and their replay.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::session::{Session, mien};
use crate::speech::{as_device, portrait, two_voices};

/// A session of two utterances at least, with a mute in it; its records as they went out.
fn recorded(folder: &Path) -> Vec<Value> {
    let (sound, picture) = (as_device(&two_voices(folder)), as_device(&portrait()));
    let into = folder.join("recording");
    let args = ["--microphone", &sound, "--camera", &picture, "--record", into.to_str().unwrap()];
    let mut session = Session::start(&args, &[]);
    session.records(2, 2);
    session.signal("USR1");
    session.next("mute", |line| line["event"]["kind"] == "mute");
    session.signal("USR1");
    session.next_state("microphone", "running");
    let heard = session.seen.iter().filter(|l| l["revision"] == 2).count();
    session.records(2, heard + 1);
    let ended = session.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("RECORDING"), "a recording is told of: {}", ended.stderr);
    assert!(ended.seen.iter().any(|l| l["event"]["kind"] == "recording" && l["event"]["on"] == true));
    ended.seen.into_iter().filter(|l| l.get("revision").is_some()).collect()
}

fn replay(folder: &Path) -> Output {
    mien(&["replay", "--json"]).arg(folder.join("recording")).output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn a_replay_gives_the_sessions_records_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let mut live = recorded(folder.path());
    for record in &mut live {
        assert!(record["latency_ms"]["since_end"].as_f64().is_some_and(|ms| ms > 0.0), "{record}");
        record["latency_ms"] = Value::Null;
    }
    assert!(live.iter().any(|r| r["mode"]["face"] == "present"), "faces count: {live:#?}");
    let output = replay(folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(lines(&output), live);

    for file in ["recording.json", "steps.jsonl", "sound.wav", "pictures.bin", "records.jsonl"] {
        let metadata = std::fs::metadata(folder.path().join("recording").join(file)).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        assert_eq!(mode & 0o077, 0, "{file} is for its owner alone");
    }
    odd_files(folder.path());
    damaged(folder.path(), live.len());
}

/// What is no ordinary file in the place of each file: an error at once.
fn odd_files(folder: &Path) {
    let kept = folder.join("kept");
    for name in ["recording.json", "steps.jsonl", "sound.wav", "pictures.bin", "records.jsonl"] {
        let file = folder.join("recording").join(name);
        std::fs::rename(&file, &kept).unwrap();
        let odd: [fn(&Path); 2] = [
            |path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success()),
            |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
        ];
        for make in odd {
            make(&file);
            let told = mien(&["replay", "--json"]);
            let output = std::process::Command::new("timeout")
                .arg("60")
                .arg(told.get_program())
                .args(told.get_args())
                .arg(folder.join("recording"))
                .envs(told.get_envs().filter_map(|(key, value)| Some((key, value?))))
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(3), "{name}: {told}");
            assert!(told.contains(name) && told.contains("ordinary file"), "{name}: {told}");
            std::fs::remove_file(&file).unwrap();
        }
        std::fs::rename(&kept, &file).unwrap();
    }
}

/// One byte of the sound, and a torn end.
fn damaged(folder: &Path, records: usize) {
    let recording = folder.join("recording");
    let steps = recording.join("steps.jsonl");
    let whole = std::fs::read(&steps).unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    let last = text.rfind("{\"step\":\"record\"").unwrap();
    std::fs::write(&steps, &whole[..last + 20]).unwrap();
    let output = replay(folder);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("end is missing"), "{told}");
    assert_eq!(lines(&output).len() + 1, records, "the last record's line was torn");

    std::fs::write(&steps, b"{\"step\":\"dance\"}\n").unwrap();
    let output = replay(folder);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("steps.jsonl") && told.contains("line 1"), "{told}");
    std::fs::write(&steps, &whole).unwrap();

    let sound = recording.join("sound.wav");
    let mut bytes = std::fs::read(&sound).unwrap();
    // A loud second within the first utterance.
    let at = 44 + 4 * 16_000 / 2;
    for sample in bytes[at..at + 4 * 8_000].chunks_exact_mut(4) {
        sample.copy_from_slice(&0.25f32.to_le_bytes());
    }
    std::fs::write(&sound, &bytes).unwrap();
    let output = replay(folder);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(1 | 3)), "changed sound is not passed over: {told}");
}

#[test]
fn nothing_is_written_over_and_a_folder_without_recording_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    std::fs::write(&kept, "mine").unwrap();
    let output = mien(&["run", "--no-camera", "--record"]).arg(folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("not empty"), "{told}");
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "mine");

    let output = mien(&["replay"]).arg(folder.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("recording.json"), "{told}");
}
