//! What a clip holds decides how it is scored, and the record says so.

use serde_json::{Value, json};

use crate::material::{Material, SPEECH, mien, portrait, silence};

fn mode(record: &Value) -> [&str; 3] {
    ["audio", "text", "face"].map(|m| record["mode"][m].as_str().unwrap_or("none"))
}

fn is_scored(record: &Value) {
    let valence = record["valence"].as_f64().expect("a valence");
    assert!(valence.is_finite());
    assert_eq!(record["views"].as_array().map(Vec::len), Some(7));
    assert_eq!(record["bundle"]["trained"], json!(false));
}

#[test]
fn speech_alone_is_scored_with_simulated_text() {
    let run = mien(&["score", SPEECH, "--json"]);
    let records = run.records();
    assert_eq!(records.len(), 1, "{}", run.stdout);
    is_scored(&records[0]);
    assert_eq!(mode(&records[0]), ["present", "simulated", "absent"]);
    assert_eq!(records[0]["revision"], json!(2));
    assert!(records[0]["transcript"].is_string());
    let said: Value = serde_json::from_str(run.stderr.lines().next().unwrap()).unwrap();
    assert!(said["warning"].as_str().unwrap().contains("untrained"), "untrained weights must be said: {}", run.stderr);
}

#[test]
fn a_transcript_or_no_language_model_changes_the_mode() {
    let real = mien(&["score", SPEECH, "--json", "--text", "front center"]).records();
    assert_eq!(mode(&real[0]), ["present", "real", "absent"]);
    assert_eq!(real[0]["transcript"], json!("front center"));
    let without = mien(&["score", SPEECH, "--json", "--no-llm"]).records();
    assert_eq!(mode(&without[0]), ["present", "absent", "absent"]);
    assert_eq!(without[0]["revision"], json!(1));
    assert_eq!(without[0]["transcript"], Value::Null);
}

#[test]
fn a_film_is_heard_and_seen() {
    let film = Material::new();
    let path = film.film();
    let records = mien(&["score", path.to_str().unwrap(), "--json", "--no-llm"]).records();
    assert_eq!(records.len(), 1);
    is_scored(&records[0]);
    assert_eq!(mode(&records[0]), ["present", "absent", "present"]);
}

#[test]
fn a_portrait_beside_sound_gives_the_face() {
    let records = mien(&["score", SPEECH, "--face", portrait().to_str().unwrap(), "--json", "--no-llm"]).records();
    assert_eq!(mode(&records[0]), ["present", "absent", "present"]);
}

#[test]
fn pictures_without_sound_are_scored_by_the_face_alone() {
    let material = Material::new();
    let folder = material.path("frames");
    std::fs::create_dir(&folder).unwrap();
    for i in 0..3 {
        std::fs::copy(portrait(), folder.join(format!("frame_{i}.png"))).unwrap();
    }
    std::fs::write(folder.join("times.csv"), "file,time_s\nframe_0.png,0\nframe_1.png,0.5\nframe_2.png,1.25\n")
        .unwrap();
    let records = mien(&["score", folder.to_str().unwrap(), "--json"]).records();
    is_scored(&records[0]);
    assert_eq!(mode(&records[0]), ["absent", "absent", "present"]);
    assert!(records[0]["end_s"].as_f64().unwrap() >= 1.25);
}

#[test]
fn a_picture_without_a_face_is_nothing_to_score() {
    let material = Material::new();
    let blank = material.ffmpeg("blank.png", &["-f", "lavfi", "-i", "color=gray:s=320x240", "-frames:v", "1"]);
    let records = mien(&["score", blank.to_str().unwrap(), "--json", "--no-llm"]).records();
    assert_eq!(records[0]["valence"], Value::Null);
    assert_eq!(records[0]["notes"], json!(["no sound and no face"]));
}

#[test]
fn silence_is_no_speech_and_no_error() {
    let material = Material::new();
    let path = material.wav("silence.wav", 16_000, &silence(2.0));
    for whole in [&[][..], &["--whole"]] {
        let args = [&["score", path.to_str().unwrap(), "--json", "--no-llm"], whole].concat();
        let records = mien(&args).records();
        assert_eq!(records.len(), 1);
        assert_eq!(records[0]["valence"], Value::Null);
        assert_eq!(records[0]["notes"], json!(["no speech"]));
    }
}

#[test]
fn silence_with_a_face_is_scored_by_the_face() {
    let material = Material::new();
    let path = material.wav("silence.wav", 16_000, &silence(1.0));
    let records =
        mien(&["score", path.to_str().unwrap(), "--face", portrait().to_str().unwrap(), "--json", "--no-llm"])
            .records();
    is_scored(&records[0]);
    assert_eq!(mode(&records[0]), ["absent", "absent", "present"]);
}

#[test]
fn silence_with_a_transcript_is_scored_by_the_text() {
    let material = Material::new();
    let path = material.wav("silence.wav", 16_000, &silence(1.0));
    let records = mien(&["score", path.to_str().unwrap(), "--text", "front center", "--json"]).records();
    is_scored(&records[0]);
    assert_eq!(mode(&records[0]), ["absent", "real", "absent"]);
}

#[test]
fn a_clip_shorter_than_one_frame_of_wavlm_is_padded_when_it_must_be_scored() {
    let material = Material::new();
    let click: Vec<i16> = (0..300).map(|i| if i % 20 < 10 { 9000 } else { -9000 }).collect();
    let path = material.wav("click.wav", 16_000, &click);
    let cut = mien(&["score", path.to_str().unwrap(), "--json"]).records();
    assert_eq!(cut[0]["notes"], json!(["no speech"]));
    let whole = mien(&["score", path.to_str().unwrap(), "--json", "--whole"]).records();
    is_scored(&whole[0]);
    assert!(whole[0]["notes"].to_string().contains("25 ms"), "{}", whole[0]["notes"]);
    // One frame is less than the five that make one row for the language model.
    assert!(whole[0]["notes"].to_string().contains("zero row"), "{}", whole[0]["notes"]);
}

#[test]
fn every_rate_and_channel_count_gives_the_same_utterance() {
    let material = Material::new();
    let slow = material.ffmpeg("slow.wav", &["-i", SPEECH, "-ar", "8000"]);
    let fast = material.ffmpeg("fast.wav", &["-i", SPEECH, "-ar", "96000", "-ac", "2"]);
    let flac = material.ffmpeg("same.flac", &["-i", SPEECH]);
    let reference = mien(&["score", SPEECH, "--json", "--no-llm"]).records();
    for path in [&slow, &fast, &flac] {
        let records = mien(&["score", path.to_str().unwrap(), "--json", "--no-llm"]).records();
        assert_eq!(records.len(), reference.len(), "{}", path.display());
        for key in ["start_s", "end_s"] {
            let [a, b] = [&records[0], &reference[0]].map(|r| r[key].as_f64().unwrap());
            assert!((a - b).abs() < 0.1, "{key} of {}: {a}, {b}", path.display());
        }
    }
    let lossless = mien(&["score", flac.to_str().unwrap(), "--json", "--no-llm"]).records();
    assert_eq!(lossless[0]["valence"], reference[0]["valence"], "flac holds the very samples of the wav");
}

#[test]
fn a_long_recording_becomes_utterances_and_subtitles_find_theirs() {
    let material = Material::new();
    let pause = material.wav("pause.wav", 48_000, &vec![0; 96_000]);
    let long = material.ffmpeg(
        "long.wav",
        &[
            "-i",
            SPEECH,
            "-i",
            pause.to_str().unwrap(),
            "-i",
            SPEECH,
            "-filter_complex",
            "[0:a][1:a][2:a]concat=n=3:v=0:a=1",
        ],
    );
    let subtitles = "1\n00:00:00,000 --> 00:00:01,400\nfront center\n\n2\n00:00:03,500 --> 00:00:04,800\nonce more\n";
    let srt = material.file("long.srt", subtitles.as_bytes());
    let records = mien(&["score", long.to_str().unwrap(), "--text-file", srt.to_str().unwrap(), "--json"]).records();
    assert_eq!(records.len(), 2);
    let said: Vec<_> = records.iter().map(|r| r["transcript"].as_str().unwrap()).collect();
    assert_eq!(said, ["front center", "once more"]);
    assert!(records[0]["end_s"].as_f64().unwrap() <= records[1]["start_s"].as_f64().unwrap());
    let whole = mien(&["score", long.to_str().unwrap(), "--whole", "--json", "--no-llm"]).records();
    assert_eq!(whole.len(), 1);
    assert_eq!(whole[0]["start_s"], json!(0.0));
}

#[test]
fn a_table_is_for_people() {
    let run = mien(&["score", SPEECH, "--no-llm"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("WARNING"), "untrained weights must be said: {}", run.stderr);
    assert!(run.stdout.lines().next().unwrap().contains("valence"));
    assert!(run.stdout.contains("voice"), "{}", run.stdout);
}
