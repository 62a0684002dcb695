//! `mien doctor` on devices that are files, that are not there, and that are broken.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::room::{Room, SPEECH, command, listening_to};

/// Names that no system gives its devices.
const NO_DEVICES: &str =
    "[microphone]\ndevice = \"alsa:plughw:CARD=NoSuchCard,DEV=0\"\n[camera]\ndevice = \"v4l:no-such-bus\"\n";

#[test]
fn every_group_is_examined_and_devices_that_are_missing_are_code_4() {
    let found = Room::new().doctor(NO_DEVICES, &[]);
    assert_eq!(found.code, 4);
    for check in [
        "configuration",
        "sound access",
        "camera access",
        "microphones",
        "microphone",
        "cameras",
        "camera",
        "bundle",
        "language model",
        "memory",
        "processor",
        "arithmetic",
        "cores",
        "gpu",
        "control socket",
        "systemd",
    ] {
        found.finding(check);
    }
    let (status, microphone) = found.told("microphone");
    assert!(status == "failure" && microphone.contains("NoSuchCard"), "{microphone}");
    let (status, camera) = found.told("camera");
    assert!(status == "failure" && camera.contains("no-such-bus") && camera.contains("mien devices"), "{camera}");
    assert!(!found.has("level"), "nothing is heard of a microphone that does not open");
}

#[test]
fn devices_that_work_and_a_dry_bundle_are_code_0() {
    let room = Room::new();
    let film = room.film("gray");
    let config = format!("[microphone]\ndevice = \"file:{SPEECH}\"\n[camera]\ndevice = \"file:{}\"\n", film.display());
    let started = Instant::now();
    let found = room.doctor(&config, &[]);
    assert!(started.elapsed() < Duration::from_secs(60), "it ends by itself");
    assert_eq!(found.code, 0, "{}", found.report);
    assert_eq!(found.told("microphone").0, "ok");
    let (status, level) = found.told("level");
    assert!(status == "ok" && level.contains("s heard") && level.contains("dBFS"), "{level}");
    let (status, camera) = found.told("camera");
    assert!(status == "ok" && camera.contains("320 x 240"), "{camera}");
    let (status, bundle) = found.told("bundle");
    assert!(status == "warning" && bundle.contains("untrained"), "{bundle}");
}

#[test]
fn the_built_in_bundle_says_what_it_knows() {
    let room = Room::new();
    let found = room.doctor_in(&[("MIEN_BUNDLE".into(), String::new())], &listening_to(Path::new(SPEECH)), &[]);
    assert_eq!(found.code, 0, "{}", found.report);
    let (status, bundle) = found.told("bundle");
    assert!(status == "warning" && bundle.contains("pocket: knows only its small world"), "{bundle}");
    assert!(bundle.contains("--bundle DIR") && !bundle.contains("untrained"), "{bundle}");
    assert_eq!(found.told("language model").0, "ok");
}

#[test]
fn the_level_is_the_sounds() {
    let room = Room::new();
    // 5 s each, so that the pause between two rounds is not heard.
    let tone = |amplitude: f64| -> Vec<i16> {
        let wave = (0..80_000).map(|i| amplitude * (f64::from(i) * 0.2).sin());
        wave.map(|s| (s.clamp(-1.0, 1.0) * 32_767.0).round() as i16).collect()
    };
    let heard = |name: &str, samples: &[i16]| {
        let sound = room.wav(name, samples);
        let found = room.doctor(&listening_to(&sound), &[]);
        assert_eq!(found.told("camera").0, "ok", "switched off");
        let (status, told) = found.told("level");
        (found.code, status.to_owned(), told)
    };
    let (code, status, told) = heard("silence.wav", &[0; 80_000]);
    assert!(code == 4 && status == "failure" && told.contains("digital silence"), "{told}");
    let (code, status, told) = heard("quiet.wav", &tone(0.001));
    assert!(code == 0 && status == "warning" && told.contains("too quiet"), "{told}");
    // An amplitude of 0.1 is a peak of -20 dBFS, and 3 dB less on average.
    let (code, status, told) = heard("tone.wav", &tone(0.1));
    assert!(code == 0 && status == "ok" && told.contains("rms -23 dBFS, peak -20 dBFS"), "{told}");
    let (code, status, told) = heard("loud.wav", &tone(2.0));
    assert!(code == 0 && status == "warning" && told.contains("clipped"), "{told}");
}

#[test]
fn a_black_picture_is_told() {
    let room = Room::new();
    let film = room.film("black");
    let config = format!("[microphone]\nenabled = false\n[camera]\ndevice = \"file:{}\"\n", film.display());
    let found = room.doctor(&config, &[]);
    assert_eq!(found.code, 0, "{}", found.report);
    let (status, camera) = found.told("camera");
    assert!(status == "warning" && camera.contains("black"), "{camera}");
    assert_eq!(found.told("microphone").0, "ok", "switched off");
    assert!(!found.has("level"));
}

#[test]
fn a_broken_bundle_is_code_5() {
    let room = Room::new();
    let bundle = room.bundle();
    std::fs::write(bundle.join("wavlm.weights"), b"short").unwrap();
    let found = room.doctor(&listening_to(Path::new(SPEECH)), &["--bundle", bundle.to_str().unwrap()]);
    assert_eq!(found.code, 5);
    let (status, told) = found.told("bundle");
    assert!(status == "failure" && told.contains("wavlm.weights") && told.contains("mien bundle verify"), "{told}");
    assert!(!found.has("memory"), "nobody knows what a broken bundle needs");
    // The worse code of two failures counts.
    let found = room.doctor(NO_DEVICES, &["--bundle", "/does/not/exist"]);
    assert_eq!((found.code, found.told("microphone").0), (5, "failure"));
}

#[test]
fn a_configuration_that_cannot_be_used_is_code_3() {
    let room = Room::new();
    let found = room.doctor("[microphone]\nno_sample_s = 1\n", &[]);
    assert_eq!(found.code, 3);
    let (status, told) = found.told("configuration");
    assert!(status == "failure" && told.contains("line 2") && told.contains("no_samples_s"), "{told}");
    // What does not depend on it is examined all the same.
    assert!(!found.has("microphone") && !found.has("camera") && !found.has("bundle"));
    assert!(found.has("microphones") && found.has("processor"));
}

#[test]
fn settings_that_cannot_work_here_are_code_3() {
    let room = Room::new();
    let silent = "[microphone]\nenabled = false\n[camera]\ndevice = \"file:film.mp4\"\n";
    room.film("gray");
    let found = room.doctor(&format!("{silent}[llm]\nthreads = 256\n"), &[]);
    let cores = std::thread::available_parallelism().unwrap().get();
    if cores < 256 {
        assert_eq!(found.code, 3, "{}", found.report);
        assert!(found.told("cores").1.contains(&format!("at most {cores}")), "{}", found.report);
    }
    let found = room.doctor(&format!("{silent}[control]\nsocket = \"none/control.sock\"\n"), &[]);
    assert_eq!(found.code, 3, "{}", found.report);
    let (status, told) = found.told("control socket");
    assert!(status == "failure" && told.contains("mkdir -p"), "{told}");
    let found = room.doctor(&format!("{silent}[control]\nsocket = \"control.sock\"\n"), &[]);
    assert_eq!((found.code, found.told("control socket").0), (0, "ok"), "{}", found.report);
    assert!(!room.path("control.sock").exists(), "nothing is left behind");
}

#[test]
fn memory_is_held_against_the_manifest() {
    let room = Room::new();
    let bundle = room.bundle();
    let manifest = bundle.join("manifest.toml");
    let good = std::fs::read_to_string(&manifest).unwrap();
    let config = listening_to(Path::new(SPEECH));
    let with_config = |config: &str, keys: &[&str]| {
        let mut text = good.clone();
        for key in keys {
            // A pebibyte.
            let line = good.lines().find(|l| l.starts_with(&format!("{key} = "))).expect("the key is in the manifest");
            text = text.replace(line, &format!("{key} = {}", 1u64 << 50));
        }
        std::fs::write(&manifest, mien_models::bundle::seal(&text)).unwrap();
        room.doctor(config, &["--bundle", bundle.to_str().unwrap()])
    };
    let with = |keys: &[&str]| with_config(&config, keys);
    let found = with(&["with_llm"]);
    let (status, told) = found.told("memory");
    assert!(
        found.code == 0 && status == "warning" && told.contains("rung audio-only"),
        "no camera, so no face: {told}"
    );
    let film = room.film("gray");
    let seeing = format!("[microphone]\ndevice = \"file:{SPEECH}\"\n[camera]\ndevice = \"file:{}\"\n", film.display());
    let found = with_config(&seeing, &["with_llm"]);
    let (status, told) = found.told("memory");
    assert!(found.code == 0 && status == "warning" && told.contains("rung no-llm"), "{told}");
    assert!(told.contains("engine.rung = \"no-llm\""), "{told}");
    assert!(found.told("camera").1.contains("320 x 240"), "{}", found.report);
    let found = with_config(&seeing, &["with_llm", "without_llm"]);
    let (status, told) = found.told("memory");
    assert!(found.code == 0 && status == "warning" && told.contains("rung audio-only"), "{told}");
    let (status, told) = found.told("camera");
    assert!(status == "ok" && told.contains("rung audio-only opens no camera"), "{told}");
    let found = with(&["with_llm", "without_llm", "audio_only"]);
    let (status, told) = found.told("memory");
    assert!(found.code == 1 && status == "failure" && told.contains("audio-only needs"), "{told}");
    // What a configuration insists on is not lowered.
    let forced = format!("{seeing}[engine]\nrung = \"full\"\n");
    let found = with_config(&forced, &["with_llm"]);
    let (status, told) = found.told("memory");
    assert!(found.code == 1 && status == "failure" && told.contains("engine.rung = \"no-llm\""), "{told}");
    let found = with_config(&format!("{seeing}[engine]\nrung = \"audio-only\"\n"), &[]);
    assert!(found.code == 0 && found.told("memory").0 == "ok", "{}", found.report);
    assert!(found.told("camera").1.contains("engine.rung asks for it"), "{}", found.report);
    assert!(found.told("language model").1.contains("left out"), "{}", found.report);
    let found = with(&[]);
    let (status, told) = found.told("memory");
    assert!(found.code == 0 && status == "ok" && told.contains("rung full"), "{told}");
}

#[test]
fn people_get_a_row_with_the_fix_below_it() {
    let room = Room::new();
    let path = room.path("mien.toml");
    std::fs::write(&path, NO_DEVICES).unwrap();
    let args = ["doctor", "--config", path.to_str().unwrap()];
    let output = command(&args).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let failed = lines.iter().position(|l| l.starts_with("FAILURE   microphone ")).unwrap_or_else(|| panic!("{text}"));
    assert!(lines[failed + 1].trim_start().starts_with("-> "), "{text}");
    // A reader that has gone does not change the exit code.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = command(&args).stdout(writer).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(4));
}
