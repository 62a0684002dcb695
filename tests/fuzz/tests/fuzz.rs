//! A few cases of every target, and whether what breaks a promise is found.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output};

use mien_fuzz::targets::{ALL, Case, Outcome};

fn fuzz(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mien-fuzz")).args(args).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Refused as they are: the older PyTorch file counts batches in integers, which no weights are, after all else was read.
const REFUSED: [&str; 1] = ["torch-legacy"];

#[test]
fn a_few_hundred_cases_of_every_target_break_no_promise() {
    let folder = tempfile::tempdir().unwrap();
    let output = fuzz(&["--cases", "300", "--seed", "1", "--findings", folder.path().to_str().unwrap(), "--as-found"]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_corpus_is_read_where_nothing_is_changed() {
    let mut unread = Vec::new();
    for target in ALL {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(target.file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut reader = (target.prepare)(folder.path()).unwrap();
        let seeds = (target.seeds)(folder.path()).unwrap();
        assert!(!seeds.is_empty() && seeds.iter().all(|seed| seed.len() <= target.longest), "{}", target.name);
        let answers: Vec<Outcome> = seeds
            .iter()
            .map(|bytes| {
                std::fs::write(&path, bytes).unwrap();
                reader(&Case { path: &path, bytes })
            })
            .collect();
        let read = answers.iter().filter(|answer| **answer == Outcome::Read).count();
        let wrong = answers.iter().any(|answer| matches!(answer, Outcome::Wrong(_)));
        if wrong || (read == 0 && !REFUSED.contains(&target.name)) {
            unread.push(format!("{}: {answers:?}", target.name));
        }
    }
    assert!(unread.is_empty(), "{unread:#?}");
}

#[test]
fn every_kind_of_fault_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = |word: &str| {
        let path = folder.path().join(word);
        std::fs::write(&path, word).unwrap();
        path.to_str().unwrap().to_owned()
    };
    for (word, kind) in [
        ("panic", "panic: index out of bounds"),
        ("thread", "panic: index out of bounds"),
        ("hang", "hang: "),
        ("slow", "slow: "),
        ("memory", "memory: 83886"),
        ("abort", "crash: ended by signal 6"),
        ("exit", "crash: ended with exit code 0"),
        ("wrong", "wrong: it says so itself"),
        ("lines", "wrong: the error is not one line"),
    ] {
        let output = fuzz(&["case", "planted-by-word", &file(word)]);
        assert!(!output.status.success() && text(&output).contains(kind), "{word}: {}", text(&output));
    }
    // Whichever limit it comes to first: that of memory, or on a slow machine that of time.
    let output = fuzz(&["case", "planted-by-word", &file("endless")]);
    let told = text(&output);
    let limits = ["crash: ended by signal 6; memory allocation of 67108864 bytes failed", "hang: "];
    assert!(!output.status.success() && limits.iter().any(|limit| told.contains(limit)), "{told}");
    for (word, answer) in [("refused", "refused: with a word"), ("fine", "read")] {
        let output = fuzz(&["case", "planted-by-word", &file(word)]);
        assert!(output.status.success() && text(&output).contains(answer), "{word}: {}", text(&output));
    }
}

#[test]
fn a_fault_behind_a_size_is_found_made_small_and_can_be_had_again() {
    let folder = tempfile::tempdir().unwrap();
    let findings = folder.path().to_str().unwrap();
    let args = ["--cases", "2000", "--seed", "3", "--findings", findings, "planted-in-boxes"];
    let output = fuzz(&args);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("a box of"), "{}", text(&output));
    let kept = folder.path().join("planted-in-boxes");
    let input = std::fs::read_dir(&kept).unwrap().map(|e| e.unwrap().path()).find(|p| ends_in_bin(p)).unwrap();
    assert!(std::fs::metadata(&input).unwrap().len() <= 40);
    let again = fuzz(&["case", "planted-in-boxes", input.to_str().unwrap()]);
    assert!(!again.status.success() && text(&again).contains("a box of"), "{}", text(&again));
    // The same seed gives the same cases.
    let numbers = |output: &Output| {
        let text = text(output);
        text.lines()
            .filter(|l| l.contains("of seed 3"))
            .filter_map(|l| l.split(',').next())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let one = fuzz(&[&args[..], &["--jobs", "1"]].concat());
    assert!(numbers(&one).len() == 1 && numbers(&fuzz(&[&args[..], &["--jobs", "1"]].concat())) == numbers(&one));
}

fn ends_in_bin(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "bin")
}
