//! Clips, lists, bundles and disks that are not as they must be.

use std::fs;
use std::process::Command;

use mien_models::bundle::{DrySize, make_dry};

use super::material::{Room, Run, portrait, voice, wav};

#[test]
fn a_damaged_clip_costs_itself_only_and_is_tried_again() {
    let room = Room::with_six_clips();
    let whole = fs::read(room.path("Front_Right.wav")).unwrap();
    // One that is only cut short would be read as far as it goes.
    fs::write(room.path("Front_Right.wav"), "no recording at all").unwrap();
    fs::remove_file(room.path("Rear_Left.wav")).unwrap();
    let run = room.extract("rows", &[]);
    let error = run.refused(3);
    assert!(error.contains("2 clips cannot be extracted") && error.contains("list.csv"), "{error}");
    let failures: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("FAILED: ")).collect();
    assert!(failures[0].contains("voice-1_0: ") && failures[0].contains("Front_Right.wav"), "{failures:?}");
    assert!(failures[1].contains("voice-3_0: ") && failures[1].contains("Rear_Left.wav"), "{failures:?}");
    assert_eq!(failures.len(), 2);
    let table = room.table("rows");
    assert!(table.len() == 5 && !table.iter().any(|row| row.contains("voice-1_") || row.contains("voice-3_")));
    assert!(room.record("rows", "voice-1_0")["outcome"]["failed"]["reason"].is_string());
    // What the table names is what an import takes.
    room.import("rows", "store", &["--zero-row-for-empty"]).printed();

    fs::write(room.path("Front_Right.wav"), whole).unwrap();
    fs::copy(voice("Rear_Left"), room.path("Rear_Left.wav")).unwrap();
    let printed = room.extract("rows", &[]).printed();
    assert!(printed.contains("2 clips extracted, 4 stood already, 0 failed"), "{printed}");
    room.extract("whole", &[]).printed();
    room.assert_equal("rows", "whole");
}

#[test]
fn clips_that_are_no_utterances_are_told_with_their_reason() {
    let room = Room::new();
    let tone: Vec<i16> = (0..31 * 16_000).map(|n| if n % 32 < 16 { 6000 } else { -6000 }).collect();
    fs::write(room.path("long.wav"), wav(&tone)).unwrap();
    fs::write(room.path("silence.wav"), wav(&[0; 16_000])).unwrap();
    fs::write(room.path("text.wav"), "no sound at all, however long one looks at it").unwrap();
    let (speech, face) = (voice("Front_Center"), portrait());
    let list = format!(
        "id,path,split,label,face,transcript\n\
         long_0,long.wav,train,0,,\n\
         silent_0,silence.wav,train,0,,\n\
         text_0,text.wav,train,0,,\n\
         twice_0,{face},train,0,{face},\n\
         faceless_0,{speech},train,0,{speech},\n\
         wordy_0,{speech},train,0,,{}\n",
        "word ".repeat(5000)
    );
    room.write("list.csv", &list);
    let run = room.extract("rows", &["--threads", "1"]);
    run.refused(3);
    let told = |id: &str, words: &str| {
        let line = run.stdout.lines().find(|line| line.starts_with(&format!("FAILED: {id}: "))).unwrap();
        assert!(line.contains(words), "{line}");
        // What is said of a command's options belongs to the other program.
        assert!(!line.contains("--whole") && !line.contains("--face"), "{line}");
    };
    told("long_0", "31.0 s of sound as one utterance, expected at most 30 s");
    told("silent_0", "no speech");
    told("text_0", "text.wav");
    told("twice_0", "pictures of its own");
    told("faceless_0", "no picture");
    told("wordy_0", "tokens");
    assert!(run.stdout.contains("there is no clips.csv") && !room.path("rows/clips.csv").exists());
}

#[test]
fn the_first_failure_ends_the_work_where_that_is_wanted() {
    let room = Room::with_six_clips();
    fs::write(room.path("Front_Right.wav"), b"").unwrap();
    let run = room.extract("rows", &["--stop-at-first"]);
    assert!(run.refused(3).contains("1 clips cannot be extracted"), "{run:?}");
    assert!(run.stdout.contains("1 clips extracted, 0 stood already, 1 failed"), "{run:?}");
    assert!(!room.path("rows/clips.csv").exists());
}

#[test]
fn another_bundle_or_other_settings_are_refused() {
    let room = Room::with_six_clips();
    room.extract("rows", &["--shard", "1/2"]).printed();
    let before = room.tree("rows");
    for (args, key) in [
        (&["--rows", "f32"][..], "rows was \"f16\" when the extraction began and is \"f32\" now"),
        (&["--no-llm"], "llm_context was 1024"),
        (&["--llm-context", "900"], "is 900 now"),
    ] {
        let refused = room.extract("rows", &[&["--shard", "2/2"], args].concat()).refused(3);
        assert!(refused.contains("extraction.toml") && refused.contains(key), "{refused}");
    }
    let first = fs::read_to_string(room.path("list.csv")).unwrap();
    let silent: Vec<String> = first
        .lines()
        .map(|line| match line.split('"').collect::<Vec<_>>()[..] {
            [before, _, after] => format!("{before}{after}"),
            _ => line.to_owned(),
        })
        .collect();
    room.write("list.csv", &silent.join("\n"));
    let refused = room.extract("rows", &[]).refused(3);
    assert!(refused.contains("modalities was"), "{refused}");
    room.write("list.csv", &first);

    let bundle = room.path("bundle");
    fs::remove_dir_all(&bundle).unwrap();
    make_dry(&bundle, DrySize::Small, 8).unwrap();
    let refused = room.extract("rows", &[]).refused(3);
    assert!(refused.contains("bundle.digest was"), "{refused}");
    assert_eq!(room.tree("rows"), before);
    // What never began binds nobody.
    assert!(room.extract("late", &["--llm-context", "64"]).refused(2).contains("--llm-context"));
    assert!(room.extract("late", &["--no-llm"]).printed().contains("6 clips extracted"));
    // A damaged bundle is the bundle's fault, before anything is begun.
    fs::write(bundle.join("wavlm.weights"), b"short").unwrap();
    assert!(room.extract("new", &[]).refused(5).contains("wavlm.weights"));
    assert!(!room.path("new").exists());
}

#[test]
fn a_folder_with_something_else_in_it_is_left_alone() {
    let room = Room::with_six_clips();
    fs::create_dir(room.path("home")).unwrap();
    room.write("home/letter.txt", "dear");
    let refused = room.extract("home", &[]).refused(3);
    assert!(refused.contains("letter.txt") && refused.contains("new folder"), "{refused}");
    assert_eq!(fs::read_dir(room.path("home")).unwrap().count(), 1);
    let refused = Run::of(room.command_without_bundle("nowhere", &["--collect"]).output().unwrap()).refused(3);
    assert!(refused.contains("extraction.toml"), "{refused}");
    assert!(!room.path("nowhere").exists());
    // A file of another version, and one that is none.
    room.extract("rows", &["--shard", "1/2"]).printed();
    let path = room.path("rows/extraction.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("schema = 1", "schema = 2")).unwrap();
    assert!(room.extract("rows", &[]).refused(3).contains("schema 2"));
    fs::write(&path, "schema = 1\nnothing else").unwrap();
    assert!(room.extract("rows", &[]).refused(3).contains("extraction.toml"));
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_told_and_leaves_nothing_half_written() {
    let room = Room::with_six_clips();
    room.extract("whole", &["--rows", "f32"]).printed();
    // A limit on file sizes stands in for a full disk: the provenance fits, rows of sound do not.
    let least = fs::metadata(room.path("whole/audio/voice-0_0.npy")).unwrap().len();
    assert!(least > 8192, "{least}");
    let script = r#"trap '' XFSZ; ulimit -f 8; exec "$0" "$@""#;
    let command = room.command("full", &["--rows", "f32"]);
    let mut limited = Command::new("bash");
    limited.args(["-c", script]).arg(command.get_program()).args(command.get_args()).env_remove("MIEN_BUNDLE");
    let run = Run::of(limited.output().unwrap());
    let error = run.refused(1);
    assert!(error.contains("voice-0_0.npy: cannot write") && error.contains("disk has room"), "{error}");
    let names: Vec<String> = room.tree("full").into_keys().collect();
    assert_eq!(names, ["extraction.toml"], "nothing but what was whole");
    room.extract("full", &["--rows", "f32"]).printed();
    room.assert_equal("whole", "full");
}

#[test]
fn lists_that_cannot_be_used_are_refused_before_a_network_is_loaded() {
    let room = Room::new();
    let row = "a_0,a.wav,train,1";
    for (list, expected) in [
        ("", "no column \"id\""),
        ("id,path,split\na_0,a.wav,train\n", "no column \"label\""),
        ("id,path,split,label,mood\n", "\"mood\""),
        ("id,path,split,label\n", "names no clip"),
        ("id,path,split,label\na_0,a.wav,train\n", "record"),
        ("id,path,split,label\na_0,,train,1\n", "row 1: it has no path"),
        ("id,path,split,label\na_0,a.wav,trian,1\n", "row 1: expected the split train, valid or test, found \"trian\""),
        ("id,path,split,label\na_0,a.wav,train,3.5\n", "row 1: expected a label from -3 to 3, found \"3.5\""),
        ("id,path,split,label\na_0,a.wav,train,nan\n", "found \"nan\""),
        ("id,path,split,label\n../a_0,a.wav,train,1\n", "cannot be a file name"),
        (&format!("id,path,split,label\n{row}\n{row}\n"), "row 2: the id a_0 comes twice"),
        (&format!("id,path,split,label,transcript\n{row},bell \u{7} rings\n"), "U+0007"),
    ] {
        room.write("list.csv", list);
        // A bundle that is not there: it is not looked for.
        let mut command = room.command_without_bundle("rows", &["--bundle", "/nonexistent"]);
        let refused = Run::of(command.output().unwrap()).refused(3);
        assert!(refused.contains("list.csv") && refused.contains(expected), "{list:?}: {refused}");
    }
    fs::remove_file(room.path("list.csv")).unwrap();
    assert!(room.extract("rows", &[]).refused(3).contains("cannot read"));
    assert!(!room.path("rows").exists());
}
