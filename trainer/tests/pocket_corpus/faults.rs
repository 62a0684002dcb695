//! Machines, folders and requests that are not as they must be.

use std::fs;
use std::process::Command;

use super::material::{Room, Run, command, digest};

#[test]
fn without_espeak_nothing_is_begun_and_the_way_out_is_told() {
    let room = Room::new();
    fs::create_dir(room.path("empty")).unwrap();
    let run = Run::of(room.command("corpus", &["--clips", "3"]).env("PATH", room.path("empty")).output().unwrap());
    let said = run.refused(1);
    assert!(said.contains("espeak-ng") && said.contains("cargo xtask setup"), "{said}");
    assert!(!room.path("corpus").exists());
}

#[cfg(unix)]
#[test]
fn another_program_of_that_name_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let room = Room::new();
    fs::create_dir(room.path("bin")).unwrap();
    let program = room.path("bin/espeak-ng");
    for (script, words) in [
        ("#!/bin/sh\necho hello\n", "expected its version"),
        ("#!/bin/sh\nexit 7\n", "ended with"),
        // Old versions lack voices.
        ("#!/bin/sh\necho 'eSpeak NG text-to-speech: 1.40  Data at: /x'\n", "1.40 has no voice variant"),
        ("#!/bin/sh\nexec /bin/cat /dev/zero\n", "wrote more than"),
    ] {
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let run = Run::of(room.command("corpus", &["--clips", "3"]).env("PATH", room.path("bin")).output().unwrap());
        let said = run.refused(1);
        assert!(said.contains("espeak-ng") && said.contains(words), "{said}");
    }
    assert!(!room.path("corpus").exists());
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_no_half_clip() {
    let room = Room::new();
    // A limit on file sizes stands in for a full disk: the write fails in the middle, with an error and not a signal.
    let script = r#"trap '' XFSZ; ulimit -f 8; exec "$0" "$@""#;
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_mien-train"), "pocket", "corpus", "--clips", "3", "--out"])
        .arg(room.path("corpus"))
        .output()
        .unwrap();
    let said = Run::of(output).refused(1);
    assert!(said.contains("cannot write") && said.contains("disk has room"), "{said}");
    let left: Vec<String> = room.tree("corpus").into_keys().collect();
    assert_eq!(left, ["settings.toml"]);
    let printed = room.corpus("corpus", &["--clips", "3"]).printed();
    assert!(printed.contains("3 clips made"), "{printed}");
}

#[test]
fn other_settings_and_other_folders_are_refused() {
    let room = Room::new();
    let whole = digest(&room.corpus("corpus", &["--clips", "3"]).printed());
    let refused = room.corpus("corpus", &["--clips", "3", "--seed", "9"]).refused(3);
    assert!(refused.contains("settings.toml: seed was 1 when the corpus was begun and is 9 now"), "{refused}");
    let refused = room.corpus("corpus", &["--clips", "4"]).refused(3);
    assert!(refused.contains("clips was [1, 1, 1]"), "{refused}");
    assert_eq!(digest(&room.verify("corpus").printed()), whole);

    fs::create_dir(room.path("mine")).unwrap();
    fs::write(room.path("mine/letter.txt"), b"dear").unwrap();
    let refused = room.corpus("mine", &["--clips", "3"]).refused(3);
    assert!(refused.contains("letter.txt") && refused.contains("new folder"), "{refused}");
    assert_eq!(fs::read_dir(room.path("mine")).unwrap().count(), 1);
    let refused = room.verify("mine").refused(3);
    assert!(refused.contains("there is no settings.toml"), "{refused}");
    assert!(room.verify("nowhere").refused(3).contains("settings.toml"));
}

#[test]
fn wrong_numbers_of_clips_are_told() {
    for (clips, words) in
        [("2", "expected 3 to"), ("1,2", "TRAIN,VALID,TEST"), ("x", "whole number"), ("1,2,3,4", "TRAIN,VALID,TEST")]
    {
        let run = Run::of(command(&["pocket", "corpus", "--out", "never", "--clips", clips]).output().unwrap());
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains(words), "{run:?}");
    }
    let room = Room::new();
    let refused = room.corpus("corpus", &["--clips", "5,0,5"]).refused(3);
    assert!(refused.contains("expected 1 to 100000"), "{refused}");
    assert!(!room.path("corpus").exists());
}
