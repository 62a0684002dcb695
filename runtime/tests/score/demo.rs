//! `mien demo`: three held-out clips, each three ways, beside what is true of them. Nothing here depends on how well the
//! built-in bundle was trained.

use serde_json::{Value, json};

use crate::material::{Run, SPEECH, built_in, mien, portrait};

const WAYS: [&str; 3] = ["real_text", "simulated_text", "no_llm"];

/// The three clips: id, what is said, label.
fn clips() -> Vec<[Value; 3]> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/pocket/clips/list.toml")).unwrap();
    let list: toml::Table = toml::from_str(&text).unwrap();
    let list = serde_json::to_value(&list["clip"]).unwrap();
    let clips = list.as_array().unwrap().iter().map(|clip| ["id", "transcript", "label"].map(|key| clip[key].clone()));
    clips.collect()
}

/// Records and the summary behind them.
fn lines(run: &Run) -> (Vec<Value>, Value) {
    let mut lines = run.records();
    let summary = lines.pop().unwrap();
    (lines, summary["summary"].clone())
}

#[test]
fn three_clips_are_scored_three_ways_beside_the_truth() {
    let run = built_in(&["demo", "--json"]);
    let (records, summary) = lines(&run);
    assert_eq!(records.len(), 9, "{}", run.stdout);
    let (mut errors, mut words) = (0, 0);
    for ([id, said, label], of_clip) in clips().into_iter().zip(records.chunks(3)) {
        for (record, way) in of_clip.iter().zip(WAYS) {
            assert_eq!((&record["file"], &record["demo"]["way"]), (&id, &json!(way)));
            assert_eq!((&record["demo"]["said"], &record["demo"]["label"]), (&said, &label));
            assert!(record["valence"].as_f64().is_some_and(f64::is_finite), "{record}");
            assert_eq!((&record["mode"]["audio"], &record["mode"]["face"]), (&json!("present"), &json!("present")));
        }
        let texts: Vec<&Value> = of_clip.iter().map(|record| &record["mode"]["text"]).collect();
        assert_eq!(texts, ["real", "simulated", "absent"]);
        assert_eq!((&of_clip[0]["transcript"], &of_clip[2]["transcript"]), (&said, &Value::Null));
        let counted = |at: usize| &of_clip[at]["demo"]["word_errors"];
        assert_eq!((counted(0), counted(2)), (&Value::Null, &Value::Null));
        let [said, heard] = [&said, &of_clip[1]["transcript"]].map(|text| text.as_str().unwrap().split_whitespace());
        let (said, heard) = (said.collect::<Vec<_>>(), heard.collect::<Vec<_>>());
        let found = counted(1)["errors"].as_u64().unwrap() as usize;
        assert_eq!(counted(1)["words"], said.len());
        assert!(found <= said.len().max(heard.len()) && (found == 0) == (said == heard), "{found}: {heard:?}");
        (errors, words) = (errors + found, words + said.len());
    }
    assert_eq!(summary["word_errors"], json!({ "errors": errors, "words": words }));
    assert_eq!((&summary["clips"], &summary["rung"]), (&json!(3), &json!("full")));
    assert_eq!(summary["bundle"], records[0]["bundle"]);
    let seq: Vec<u64> = records.iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    assert_eq!(seq, (0..9).collect::<Vec<_>>());
}

#[test]
fn the_clips_are_those_of_the_sources() {
    let (records, _) = lines(&mien(&["demo", "--json"]));
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/pocket/clips");
    for (record, [id, said, _]) in records.iter().step_by(3).zip(clips()) {
        let path = format!("{folder}/{}", id.as_str().unwrap());
        let scored = mien(&["score", &path, "--text", said.as_str().unwrap(), "--json"]).records().remove(0);
        for key in ["valence", "weights", "views", "mode", "transcript", "end_s"] {
            assert_eq!(record[key], scored[key], "{key} of {path}");
        }
    }
}

#[test]
fn people_read_what_was_said_what_was_heard_and_what_it_is_worth() {
    let run = built_in(&["demo"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let (records, summary) = lines(&built_in(&["demo", "--json"]));
    for ([id, said, label], of_clip) in clips().into_iter().zip(records.chunks(3)) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let heard = text(&of_clip[1]["transcript"]);
        let heard = if heard.is_empty() { "(no word)".into() } else { heard.chars().take(80).collect::<String>() };
        let shown = format!("\n  said   {}\n  heard  {heard}", text(&said));
        assert!(run.stdout.contains(&shown), "{shown}\n{}", run.stdout);
        let number = |value: &Value| format!("{:+.2}", value.as_f64().unwrap());
        // The row of valences; the id stands above the words as well.
        let row = run.stdout.lines().rfind(|line| line.starts_with(&text(&id))).unwrap();
        let mut rest = row;
        for wanted in [&label, &of_clip[0]["valence"], &of_clip[1]["valence"], &of_clip[2]["valence"]].map(number) {
            rest = rest.split_once(&wanted).unwrap_or_else(|| panic!("no {wanted} in {row}")).1;
        }
    }
    let [errors, words] = ["errors", "words"].map(|key| summary["word_errors"][key].as_u64().unwrap());
    assert!(run.stdout.contains(&format!("{errors} in {words} words")), "{}", run.stdout);
}

#[test]
fn intervals_are_shown_where_the_bundle_has_them() {
    let material = crate::material::Material::new();
    let path = material.path("dry");
    let bundle = path.to_str().unwrap();
    assert_eq!(mien(&["bundle", "dry", "--out", bundle]).code, 0);
    assert!(!mien(&["demo", "--bundle", bundle]).stdout.contains('±'));
    let manifest = path.join("manifest.toml");
    let good = std::fs::read_to_string(&manifest).unwrap();
    let text = format!("{good}\n[interval90]\n\"audio+simulated+face\" = 0.75\n");
    std::fs::write(&manifest, mien_models::bundle::seal(&text)).unwrap();
    let shown = mien(&["demo", "--bundle", bundle]).stdout;
    assert_eq!(shown.matches(" ± 0.75").count(), 3, "one mode of three has one: {shown}");
}

#[test]
fn without_the_language_model_nothing_is_heard_and_one_way_is_left() {
    let run = built_in(&["demo", "--json", "--rung", "no-llm"]);
    let (records, summary) = lines(&run);
    assert_eq!(records.iter().map(|r| r["demo"]["way"].as_str().unwrap()).collect::<Vec<_>>(), ["no_llm"; 3]);
    assert_eq!((&summary["word_errors"], &summary["rung"]), (&Value::Null, &json!("no-llm")));
    let run = built_in(&["demo", "--rung", "no-llm"]);
    assert!(run.code == 0 && run.stdout.contains("rung no-llm") && !run.stdout.contains("heard  "), "{}", run.stdout);
}

#[test]
fn a_recording_of_ones_own_is_scored_instead() {
    let face = portrait();
    let own = ["demo", "--speech", SPEECH, "--text", "front center", "--face", face.to_str().unwrap()];
    let records = mien(&[&own[..], &["--json"]].concat()).records();
    assert_eq!(records.iter().map(|r| r["file"].as_str().unwrap()).collect::<Vec<_>>(), [SPEECH; 3]);
    assert!(records.iter().all(|record| record.get("demo").is_none()));
    assert_eq!(records[0]["transcript"], "front center");
    let shown = mien(&own).stdout;
    assert!(shown.contains("with transcript:") && shown.contains("text simulated from sound:"), "{shown}");
    assert_eq!(mien(&["demo", "--speech", SPEECH]).code, 2, "what it says must be said");
}
