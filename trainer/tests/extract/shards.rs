//! Several machines: whoever extracts a clip, the folder is the one that a single machine makes.

use std::fs;

use mien_models::bundle::{DrySize, make_dry};

use super::material::{Room, Run, copy};

#[test]
fn shards_at_once_in_one_folder_make_the_whole() {
    let room = Room::with_six_clips();
    room.extract("whole", &[]).printed();
    let first = room.extract("shared", &["--shard", "3/3"]).printed();
    assert!(first.contains("shard 3/3: 2 clips extracted"), "{first}");
    assert!(first.contains("4 clips of the list are open"), "{first}");
    assert!(!room.path("shared/clips.csv").exists());
    // The other two at the same time, one of them dealt otherwise, so that two processes write the same clips.
    let start = |shard| room.command("shared", &["--shard", shard]).output();
    let runs = std::thread::scope(|scope| {
        let others = ["1/3", "2/3", "1/1"].map(|shard| scope.spawn(move || start(shard).unwrap()));
        others.map(|other| Run::of(other.join().unwrap()))
    });
    for run in runs {
        assert_eq!(run.code, 0, "{run:?}");
    }
    room.assert_equal("whole", "shared");
}

#[test]
fn folders_of_several_machines_are_copied_into_one_and_collected() {
    let room = Room::with_six_clips();
    room.extract("whole", &[]).printed();
    room.extract("one", &["--shard", "1/2"]).printed();
    room.extract("two", &["--shard", "2/2"]).printed();
    copy(&room.path("one"), &room.path("merged"));
    // Half of it: the table names what is there, and the exit code says that it is not all.
    let half = Run::of(room.command_without_bundle("merged", &["--collect"]).output().unwrap());
    assert!(half.refused(3).contains("3 clips are not extracted yet"), "{half:?}");
    assert_eq!(room.table("merged").len(), 4);
    copy(&room.path("two"), &room.path("merged"));
    let collected = Run::of(room.command_without_bundle("merged", &["--collect"]).output().unwrap());
    assert!(collected.stderr.contains("untrained"), "{collected:?}");
    assert!(collected.printed().contains("names 6 of 6 clips"));
    room.assert_equal("whole", "merged");
}

#[test]
fn a_record_of_another_extraction_counts_for_nothing() {
    let room = Room::with_six_clips();
    room.extract("whole", &[]).printed();
    room.extract("ours", &["--shard", "1/2"]).printed();
    fs::rename(room.path("bundle"), room.path("bundle.first")).unwrap();
    make_dry(&room.path("bundle"), DrySize::Small, 8).unwrap();
    room.extract("theirs", &["--shard", "2/2"]).printed();
    let extraction = fs::read(room.path("ours/extraction.toml")).unwrap();
    copy(&room.path("theirs"), &room.path("ours"));
    fs::write(room.path("ours/extraction.toml"), extraction).unwrap();
    let collected = Run::of(room.command_without_bundle("ours", &["--collect"]).output().unwrap());
    assert!(collected.refused(3).contains("3 clips are not extracted yet"), "{collected:?}");
    fs::remove_dir_all(room.path("bundle")).unwrap();
    fs::rename(room.path("bundle.first"), room.path("bundle")).unwrap();
    assert!(room.extract("ours", &[]).printed().contains("3 clips extracted, 3 stood already"));
    room.assert_equal("whole", "ours");
}

#[test]
fn one_shard_is_extracted_by_one_process() {
    let room = Room::with_six_clips();
    fs::create_dir_all(room.path("rows/.work/2-of-2")).unwrap();
    let lock = fs::File::create(room.path("rows/.work/2-of-2/lock")).unwrap();
    lock.lock().unwrap();
    let refused = room.extract("rows", &["--shard", "2/2"]).refused(3);
    assert!(refused.contains("another process extracts shard 2/2"), "{refused}");
    room.extract("rows", &["--shard", "1/2"]).printed();
    drop(lock);
    assert!(room.extract("rows", &["--shard", "2/2"]).printed().contains("names 6 of 6 clips"));
}

#[test]
fn shards_that_are_none_are_wrong_usage() {
    let room = Room::with_six_clips();
    for shard in ["0/2", "3/2", "2", "a/b"] {
        let run = room.extract("rows", &["--shard", shard]);
        assert!(run.code == 2 && run.stderr.contains("like 1/4"), "{run:?}");
    }
    let both = room.command_without_bundle("rows", &["--collect", "--shard", "1/2"]).output().unwrap();
    assert_eq!(both.status.code(), Some(2));
    assert!(!room.path("rows").exists());
}
