//! Extractions that were stopped, or whose files were lost, end in the same bytes.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use super::material::{Room, voice};

#[test]
fn a_killed_extraction_goes_on_to_the_same_bytes() {
    let room = Room::with_six_clips();
    room.extract("whole", &[]).printed();
    let mut killed = 0;
    for records in [0, 2, 4] {
        let mut command = room.command("killed", &["--threads", "1"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while room.records("killed") < records || !room.path("killed/extraction.toml").exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it had {records} records");
            std::thread::sleep(Duration::from_millis(1));
        }
        // Where in the next clip it is hit, differs from run to run.
        std::thread::sleep(Duration::from_millis(7 * records as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        let done = room.records("killed") == 6 && room.path("killed/clips.csv").exists();
        killed += usize::from(!done);
    }
    assert!(killed > 0, "no process was killed before its end");
    let printed = room.extract("killed", &[]).printed();
    assert!(printed.contains("names 6 of 6 clips"), "{printed}");
    room.assert_equal("whole", "killed");
}

#[test]
fn lost_and_damaged_files_are_extracted_again_and_the_others_stay() {
    let room = Room::with_six_clips();
    room.extract("whole", &[]).printed();
    room.extract("hurt", &[]).printed();
    let path = |name: &str| room.path(&format!("hurt/{name}"));
    let rows = fs::read(path("audio/voice-0_0.npy")).unwrap();
    fs::write(path("audio/voice-0_0.npy"), &rows[..rows.len() - 1]).unwrap();
    fs::remove_file(path("simulated/voice-1_0.npy")).unwrap();
    fs::remove_file(path("records/voice-2_0.json")).unwrap();
    let record = fs::read(path("records/voice-3_0.json")).unwrap();
    fs::write(path("records/voice-3_0.json"), &record[..record.len() / 2]).unwrap();
    fs::write(path(".work/1-of-1/.writing-left"), b"half of something").unwrap();
    // What stays is not written again.
    let kept = [path("audio/voice-4_0.npy"), path("records/voice-5_0.json")];
    let times = kept.each_ref().map(|path| fs::metadata(path).unwrap().modified().unwrap());
    let printed = room.extract("hurt", &[]).printed();
    assert!(printed.contains("4 clips extracted, 2 stood already, 0 failed"), "{printed}");
    room.assert_equal("whole", "hurt");
    assert_eq!(kept.each_ref().map(|path| fs::metadata(path).unwrap().modified().unwrap()), times);
    assert!(!path(".work/1-of-1/.writing-left").exists());
    let printed = room.extract("hurt", &[]).printed();
    assert!(printed.contains("0 clips extracted, 6 stood already"), "{printed}");
}

#[test]
fn a_clip_whose_row_or_recording_changed_is_extracted_again() {
    let room = Room::with_six_clips();
    room.extract("rows", &[]).printed();
    let list = fs::read_to_string(room.path("list.csv")).unwrap();
    room.write("list.csv", &list.replace("front left, he said", "front right, he said"));
    fs::copy(voice("Side_Left"), room.path("Rear_Left.wav")).unwrap();
    let printed = room.extract("rows", &[]).printed();
    assert!(printed.contains("2 clips extracted, 4 stood already"), "{printed}");
    room.extract("anew", &[]).printed();
    room.assert_equal("rows", "anew");
    // A label is no part of the rows, and a recording may go once its rows stand.
    room.write("list.csv", &fs::read_to_string(room.path("list.csv")).unwrap().replace(",-2.5,", ",-2.25,"));
    fs::remove_file(room.path("Rear_Right.wav")).unwrap();
    let printed = room.extract("rows", &[]).printed();
    assert!(printed.contains("0 clips extracted, 6 stood already"), "{printed}");
    assert!(room.table("rows")[1].contains("-2.25"));
}
