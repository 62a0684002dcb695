//! Faults in what the user gives: one clear line, the right exit code, nothing half done.

use std::path::Path;
use std::process::Stdio;

use crate::material::{Material, SPEECH, command, mien, portrait};

/// The error of scoring `path`, which must be bad input.
fn refused(path: &Path) -> String {
    let run = mien(&["score", path.to_str().unwrap(), "--json", "--no-llm"]);
    assert_eq!(run.stdout, "", "nothing is scored");
    let error = run.error(3);
    assert!(error.contains(path.file_name().unwrap().to_str().unwrap()), "the file is named: {error}");
    error
}

#[test]
fn media_that_cannot_be_read_are_named() {
    let material = Material::new();
    refused(&material.path("missing.wav"));
    refused(&material.file("empty.wav", b""));
    refused(&material.file("text.wav", b"this is no sound at all, however long one looks at it"));
    refused(&material.file("text.mp4", b"nor is this a film, however long one looks at it, not at all"));
    let folder = material.path("nothing");
    std::fs::create_dir(&folder).unwrap();
    refused(&folder);
}

/// A recording that stopped early is scored as far as it goes; what has no sound yet, or no index, is an error.
#[test]
fn truncated_sound_is_scored_with_a_note_and_truncated_films_are_an_error() {
    let material = Material::new();
    let whole = std::fs::read(SPEECH).unwrap();
    let half = material.file("half.wav", &whole[..whole.len() / 2]);
    let records = mien(&["score", half.to_str().unwrap(), "--json", "--no-llm"]).records();
    assert!(records[0]["notes"].to_string().contains("cut short"), "{}", records[0]);
    refused(&material.file("head.wav", &whole[..30]));
    let film = std::fs::read(material.film()).unwrap();
    refused(&material.file("half.mp4", &film[..film.len() / 2]));
}

#[test]
fn a_video_codec_that_is_not_supported_is_named() {
    let material = Material::new();
    let film = material.ffmpeg("mpeg4.mp4", &["-f", "lavfi", "-i", "testsrc2=d=1:r=10", "-c:v", "mpeg4"]);
    let told = refused(&film);
    assert!(told.contains("MPEG-4 part 2") && told.contains("ffmpeg -i"), "{told}");
}

#[test]
fn a_bad_clip_among_good_ones_costs_only_itself() {
    let material = Material::new();
    let bad = material.file("bad.wav", b"");
    let run = mien(&["score", bad.to_str().unwrap(), SPEECH, "--json", "--no-llm"]);
    let error = run.error(3);
    assert!(error.contains("bad.wav"), "{error}");
    let records = run.lines();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["seq"], 0);
}

#[test]
fn transcripts_that_cannot_be_used_are_refused_before_any_model_is_loaded() {
    let material = Material::new();
    let error = mien(&["score", SPEECH, "--text", "bell \u{7} rings"]).error(3);
    assert!(error.contains("U+0007"), "{error}");
    let binary = material.file("binary.txt", &[0xff, 0xfe, 0x00]);
    assert!(mien(&["score", SPEECH, "--text-file", binary.to_str().unwrap()]).error(3).contains("UTF-8"));
    let odd = material.file("said.doc", b"hello");
    assert!(mien(&["score", SPEECH, "--text-file", odd.to_str().unwrap()]).error(3).contains(".srt"));
}

#[test]
fn a_hundred_thousand_words_are_refused_with_the_limit() {
    let material = Material::new();
    let words = material.file("words.txt", "word ".repeat(100_000).as_bytes());
    let error = mien(&["score", SPEECH, "--text-file", words.to_str().unwrap()]).error(3);
    assert!(error.contains("tokens"), "{error}");
}

#[test]
fn a_recording_too_long_for_one_utterance_says_what_to_do() {
    let material = Material::new();
    let tone: Vec<i16> = (0..40 * 8000).map(|i| if i % 16 < 8 { 6000 } else { -6000 }).collect();
    let path = material.wav("long.wav", 8000, &tone);
    let error = mien(&["score", path.to_str().unwrap(), "--whole", "--no-llm"]).error(3);
    assert!(error.contains("40.0 s") && error.contains("--whole"), "{error}");
}

#[test]
fn a_context_too_small_for_the_longest_utterance_is_refused_at_once() {
    let error = mien(&["score", SPEECH, "--llm-context", "64"]).error(2);
    assert!(error.contains("--llm-context"), "{error}");
}

#[test]
fn wrong_usage_is_code_2() {
    for args in [
        &["score"][..],
        &["score", SPEECH, "--text", "a", "--no-llm"],
        &["score", SPEECH, "--threads", "0"],
        &["nonsense"],
        &["bench", "--runs", "0"],
        &["bench", "--seconds", "31"],
    ] {
        let run = mien(args);
        assert_eq!(run.code, 2, "{args:?}: {}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn errors_are_objects_where_json_is_asked_for() {
    let run = mien(&["score", "/nonexistent.wav", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&run.error(3)).unwrap();
    assert_eq!(object["error"]["exit_code"], 3);
    assert_eq!(object["error"]["kind"], "clip");
}

#[test]
fn wrong_usage_is_one_line_or_an_object_too() {
    assert!(mien(&["score", SPEECH, "--threads", "none"]).error(2).contains("--threads"));
    let run = mien(&["score", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&run.error(2)).unwrap();
    assert_eq!(object["error"]["kind"], "usage");
}

#[test]
fn a_clip_that_is_damaged_further_on_leaves_no_record() {
    let material = Material::new();
    let clip = material.ffmpeg("clip.flac", &["-i", SPEECH]);
    let mut bytes = std::fs::read(&clip).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].iter_mut().for_each(|byte| *byte ^= 0x5a);
    std::fs::write(&clip, bytes).unwrap();
    let run = mien(&["score", clip.to_str().unwrap(), "--json", "--no-llm"]);
    let told = run.error(3);
    assert!(told.contains("damaged at "), "{told}");
    assert_eq!(run.stdout, "");
}

#[test]
fn a_damaged_picture_of_a_folder_costs_only_itself() {
    let material = Material::new();
    let folder = material.path("clip");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(SPEECH, folder.join("speech.wav")).unwrap();
    let whole = std::fs::read(portrait()).unwrap();
    std::fs::write(folder.join("0.png"), &whole).unwrap();
    std::fs::write(folder.join("1.png"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(folder.join("times.csv"), "file,time_s\n0.png,0\n1.png,1\n").unwrap();
    let run = mien(&["score", folder.to_str().unwrap(), "--json", "--no-llm"]);
    let records = run.lines();
    assert_eq!(records[0]["mode"]["face"], "present");
    let notes = records[0]["notes"].to_string();
    assert!(notes.contains("1 of 2") && notes.contains("1.png"), "{notes}");
}

#[test]
fn exit_codes_survive_closed_and_full_outputs() {
    let full = || Stdio::from(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let scored = command(&["score", SPEECH, "--no-llm"]).stdout(Stdio::null()).stderr(full()).status().unwrap();
    assert_eq!(scored.code(), Some(0));
    let failed = command(&["score", "/nonexistent.wav"]).stdout(Stdio::null()).stderr(full()).status().unwrap();
    assert_eq!(failed.code(), Some(3));
    // A pipe whose reader is gone before the first line.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let failed = command(&["score", SPEECH, "/nonexistent.wav", "--no-llm", "--json"]).stdout(writer).output().unwrap();
    assert_eq!(failed.status.code(), Some(3));
}

#[test]
fn names_cannot_steer_the_terminal() {
    let material = Material::new();
    let path = material.file("\u{1b}[31mred.wav", b"");
    let run = mien(&["score", path.to_str().unwrap()]);
    assert_eq!(run.code, 3);
    assert!(!run.stderr.contains('\u{1b}'), "{:?}", run.stderr);
}
