//! Devices that are not there, or not as the configuration says.

use serde_json::Value;

use crate::session::{Session, mien};
use crate::speech::{as_device, portrait, two_voices};

#[test]
fn a_missing_camera_costs_the_face_only() {
    let folder = tempfile::tempdir().unwrap();
    let sound = as_device(&two_voices(folder.path()));
    let args = ["--no-llm", "--microphone", &sound, "--camera", "/dev/video77"];
    let mut session = Session::start(&args, &[]);
    let told = session.state("camera", "reopening");
    let reason = told["event"]["reason"].as_str().unwrap();
    assert!(reason.contains("/dev/video77") && reason.contains("mien devices"), "{reason}");
    let record = &session.records(1, 1)[0];
    // Between two attempts, or in one.
    assert!(["opening", "reopening"].map(Value::from).contains(&record["live"]["camera"]), "{record}");
    assert_eq!(record["mode"]["face"], "absent");
    assert_eq!(record["mode"]["audio"], "present");
    assert_eq!(session.stop().code, Some(0));
}

#[test]
fn a_device_that_does_not_exist_is_never_replaced_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let server = crate::pulse::PulseServer::start();
    let args = ["--no-llm", "--no-camera", "--microphone", "Microphone of yesterday"];
    let mut session = Session::start(&args, &server.env());
    let told = session.state("microphone", "reopening");
    let reason = told["event"]["reason"].as_str().unwrap();
    assert!(reason.contains("Microphone of yesterday") && reason.contains("alsa:pulse"), "{reason}");
    let wav = two_voices(folder.path());
    assert!(server.play(&wav).wait().unwrap().success());
    let ended = session.stop();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.seen.iter().any(|l| l.get("revision").is_some()), "nothing was heard: {:#?}", ended.seen);
}

#[test]
fn with_neither_device_the_program_waits_for_both() {
    let folder = tempfile::tempdir().unwrap();
    let lost = folder.path().join("gone.wav");
    let lost_picture = folder.path().join("gone.png");
    let (sound, picture) = (as_device(&lost), as_device(&lost_picture));
    let mut session = Session::start(&["--no-llm", "--microphone", &sound, "--camera", &picture], &[]);
    session.state("microphone", "reopening");
    session.state("camera", "reopening");
    // Both come back, as a cable that is plugged in does.
    std::fs::copy(portrait(), &lost_picture).unwrap();
    std::fs::rename(two_voices(folder.path()), &lost).unwrap();
    session.next("both devices", |line| {
        line["revision"] == 1 && line["live"]["camera"] == "running" && line["mode"]["face"] == "present"
    });
    assert_eq!(session.stop().code, Some(0));
}

#[test]
fn wrong_settings_are_refused_before_anything_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("mien.toml");
    for (text, told) in [
        ("[microphone]\nno_sample_s = 1\n", "did you mean no_samples_s?"),
        ("[camera]\nfps = 0\n", "camera.fps"),
        ("[camera]\nformat = \"h264\"\n", "mjpeg"),
        ("[microphone]\nenabled = false\n[camera]\nenabled = false\n", "both devices"),
        ("microphone = 3\n", "line 1"),
        ("[speech\n", "line 1"),
    ] {
        std::fs::write(&config, text).unwrap();
        for command in [&["config", "check"][..], &["run", "--config"]] {
            let output = mien(command).arg(&config).output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(3), "{text}: {stderr}");
            assert!(stderr.contains(told) && stderr.contains("mien.toml"), "{text}: {stderr}");
        }
    }
}

#[test]
fn every_setting_is_in_the_default_the_schema_and_the_hints() {
    let printed = |args: &[&str]| {
        let output = mien(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("mien.toml");
    let text = printed(&["config", "default"]);
    std::fs::write(&config, &text).unwrap();
    let checked = |args: &[&str]| mien(args).arg(&config).output().unwrap();
    assert!(checked(&["config", "check"]).status.success());
    let empty = folder.path().join("empty.toml");
    std::fs::write(&empty, "").unwrap();
    let all = |path: &std::path::Path| -> Value {
        let output = mien(&["config", "check", "--json"]).arg(path).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["config"].take()
    };
    assert_eq!(all(&config), all(&empty), "the printed default is the default");
    let schema: Value = serde_json::from_str(&printed(&["config", "schema"])).unwrap();
    let schema = schema.to_string();
    // A key with its last letter missing is answered with the key.
    for line in text.lines() {
        let Some((key, _)) = line.trim_start_matches("# ").split_once(" =") else { continue };
        if !key.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            continue;
        }
        assert!(schema.contains(&format!("\"{key}\"")), "{key} is not in the schema");
        let wrong = text.replacen(line, &format!("{} = 1", &key[..key.len() - 1]), 1);
        std::fs::write(&config, wrong).unwrap();
        let output = checked(&["config", "check"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{key}: {told}");
        assert!(told.contains(&format!("did you mean {key}?")), "{key}: {told}");
    }
}
