//! Which networks are loaded: by what the manifest needs and the machine has, or as it was asked for.

use std::path::PathBuf;

use mien_models::bundle::seal;
use serde_json::{Value, json};

use crate::material::{Material, Run, SPEECH, mien, portrait};

/// More than any machine has: a pebibyte.
const HUGE: u64 = 1 << 50;

/// A dry bundle whose manifest says that these of its needs are huge.
struct Hungry {
    material: Material,
    good: String,
}

impl Hungry {
    fn new() -> Self {
        let material = Material::new();
        let path = material.path("dry");
        let made = mien(&["bundle", "dry", "--out", path.to_str().unwrap()]);
        assert_eq!(made.code, 0, "{}", made.stderr);
        let good = std::fs::read_to_string(path.join("manifest.toml")).unwrap();
        Self { material, good }
    }

    fn path(&self) -> PathBuf {
        self.material.path("dry")
    }

    fn needs_too_much_for(&self, keys: &[&str]) -> &Self {
        let line = |line: &str| {
            let key = keys.iter().find(|key| line.starts_with(&format!("{key} = ")));
            key.map_or(line.to_owned(), |key| format!("{key} = {HUGE}"))
        };
        let text = self.good.lines().map(line).collect::<Vec<_>>().join("\n");
        assert_eq!(text.matches(&HUGE.to_string()).count(), keys.len(), "{text}");
        std::fs::write(self.path().join("manifest.toml"), seal(&text)).unwrap();
        self
    }

    fn run(&self, args: &[&str]) -> Run {
        mien(&[args, &["--bundle", self.path().to_str().unwrap()]].concat())
    }
}

fn warnings(run: &Run) -> Vec<String> {
    let lines = run.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| line["warning"].as_str().map(String::from)).collect()
}

#[test]
fn the_highest_rung_that_fits_is_taken_and_named() {
    let bundle = Hungry::new();
    let film = bundle.material.film();
    let film = film.to_str().unwrap();
    for (hungry, rung, mode) in [
        (&[][..], "full", ["present", "simulated", "present"]),
        (&["with_llm"], "no-llm", ["present", "absent", "present"]),
        (&["with_llm", "without_llm"], "audio-only", ["present", "absent", "absent"]),
    ] {
        let run = bundle.needs_too_much_for(hungry).run(&["score", film, "--json"]);
        let record = &run.records()[0];
        assert_eq!(record["rung"], rung);
        assert_eq!(["audio", "text", "face"].map(|m| record["mode"][m].as_str().unwrap()), mode);
        assert_eq!(record["revision"], if rung == "full" { 2 } else { 1 });
        let told: Vec<String> = warnings(&run).into_iter().filter(|w| w.contains("rung")).collect();
        if rung == "full" {
            assert_eq!(told, Vec::<String>::new());
        } else {
            assert_eq!(told.len(), 1, "{}", run.stderr);
            let needed = format!("rung {rung}: full needs {} MiB", HUGE >> 20);
            assert!(told[0].contains(&needed) && told[0].contains("are available"), "{told:?}");
        }
    }
    let all = ["with_llm", "without_llm", "audio_only"];
    let run = bundle.needs_too_much_for(&all).run(&["score", film, "--json"]);
    let error = run.error(1);
    assert!(error.contains("\"memory\"") && error.contains(&format!("audio-only needs {} MiB", HUGE >> 20)), "{error}");
    assert_eq!(run.stdout, "");
}

#[test]
fn a_rung_that_was_asked_for_and_does_not_fit_is_refused() {
    let bundle = Hungry::new();
    bundle.needs_too_much_for(&["with_llm", "without_llm"]);
    for (rung, command) in [("full", "score"), ("no-llm", "score"), ("full", "run"), ("no-llm", "bench")] {
        let file = if command == "score" { &[SPEECH][..] } else { &[] };
        let run = bundle.run(&[&[command, "--json", "--rung", rung], file].concat());
        let error = run.error(1);
        let (needed, fitting) = (format!("{rung} needs {} MiB", HUGE >> 20), "--rung audio-only");
        assert!(error.contains(&needed) && error.contains(fitting), "{command}: {error}");
        assert_eq!(run.stdout, "", "{command}");
    }
    // What was given is not silently left out.
    for (given, part) in [(["--text", "front center"], "--text"), (["--face", "p.png"], "--face")] {
        let error = bundle.run(&[&["score", SPEECH, "--json"][..], &given].concat()).error(1);
        assert!(error.contains(&format!("leave out {part} for rung audio-only")), "{error}");
    }
}

#[test]
fn requests_that_exclude_each_other_are_usage_faults() {
    let face = portrait();
    for (args, parts) in [
        (&["--rung", "full", "--no-llm"][..], ["--no-llm", "rung full"]),
        (&["--rung", "no-llm", "--text", "front center"], ["--text", "rung no-llm"]),
        (&["--rung", "audio-only", "--face", face.to_str().unwrap()], ["--face", "rung audio-only"]),
        (&["--rung", "high"], ["high", "audio-only"]),
    ] {
        let error = mien(&[&["score", SPEECH, "--json"], args].concat()).error(2);
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn voice_alone_scores_as_the_whole_bundle_scores_a_clip_without_pictures() {
    let bundle = Hungry::new();
    // The interval is that of the mode, as for any other.
    let manifest = format!("{}\n[interval90]\naudio = 0.25\n\"audio+face\" = 0.5\n", bundle.good);
    std::fs::write(bundle.path().join("manifest.toml"), seal(&manifest)).unwrap();
    let folder = bundle.material.path("frames");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(portrait(), folder.join("frame.png")).unwrap();
    std::fs::copy(SPEECH, folder.join("sound.wav")).unwrap();
    let score = |clip: &str, args: &[&str]| {
        let records = bundle.run(&[&["score", clip, "--json"], args].concat()).records();
        assert_eq!(records.len(), 1);
        records[0].clone()
    };
    let folder = folder.to_str().unwrap();
    let voice = score(folder, &["--rung", "audio-only"]);
    let without = score(SPEECH, &["--rung", "no-llm"]);
    let seen = score(folder, &["--rung", "no-llm"]);
    for key in ["valence", "weights", "views", "interval90", "mode", "revision", "transcript", "start_s", "end_s"] {
        assert_eq!(voice[key], without[key], "{key}");
    }
    assert_eq!(voice["mode"], json!({ "audio": "present", "text": "absent", "face": "absent" }));
    assert_eq!((&voice["rung"], &without["rung"]), (&json!("audio-only"), &json!("no-llm")));
    assert_ne!(voice["valence"], seen["valence"], "the face counts where it is looked at");
    assert!(voice["notes"][0].as_str().unwrap().contains("pictures are not looked at"), "{voice}");
    assert_eq!(without["notes"], json!([]));
}

#[test]
fn pictures_without_sound_are_nothing_for_voice_alone() {
    let face = portrait();
    let run = mien(&["score", face.to_str().unwrap(), "--json", "--rung", "audio-only"]);
    let record = &run.records()[0];
    assert_eq!((&record["valence"], &record["rung"]), (&Value::Null, &json!("audio-only")));
    assert_eq!(record["notes"][0], "no sound");
}

#[test]
fn reports_name_the_rung_and_only_its_networks_are_loaded() {
    let bundle = Hungry::new();
    bundle.needs_too_much_for(&[]);
    for (rung, loaded) in [
        ("full", &["wavlm", "manet", "llm", "fusion"][..]),
        ("no-llm", &["wavlm", "manet", "fusion"]),
        ("audio-only", &["wavlm", "fusion"]),
    ] {
        let run = bundle.run(&["bench", "--json", "--runs", "1", "--seconds", "1", "--rung", rung]);
        let report = &run.records()[0];
        assert_eq!(report["rung"], rung);
        let networks: Vec<&str> =
            report["load"].as_array().unwrap().iter().map(|l| l["stage"].as_str().unwrap()).collect();
        assert_eq!(networks, loaded);
    }
    let face = portrait();
    let run = bundle.run(&["demo", "--face", face.to_str().unwrap(), "--rung", "no-llm"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.contains("rung    no-llm"), "{}", run.stdout);
    let voice = bundle.run(&["demo", "--face", face.to_str().unwrap(), "--rung", "audio-only"]);
    assert!(voice.code == 0 && voice.stdout.contains("(not looked at)"), "{}", voice.stderr);
    assert!(!run.stdout.contains("simulated") && run.stdout.contains("without language model:"), "{}", run.stdout);
}

#[test]
fn an_old_manifest_without_the_need_of_voice_alone_is_used_as_before() {
    let bundle = Hungry::new();
    let old: Vec<&str> = bundle.good.lines().filter(|line| !line.starts_with("audio_only = ")).collect();
    assert_eq!(old.len() + 1, bundle.good.lines().count());
    std::fs::write(bundle.path().join("manifest.toml"), seal(&old.join("\n"))).unwrap();
    for rung in ["auto", "audio-only"] {
        let record = &bundle.run(&["score", SPEECH, "--json", "--rung", rung]).records()[0];
        assert_eq!(record["rung"], if rung == "auto" { "full" } else { rung });
    }
}
