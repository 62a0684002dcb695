//! Training as a user runs it: import, train, resume, settings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Output};

use mien_trainer::train::{Experiment, Summary};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mien-train")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn done(args: &[&str]) -> Output {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    output
}

/// The last line of what a command says that must fail with exit code `code`.
fn refused(code: i32, args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(code), "{args:?}");
    let said = text(&output.stderr);
    let last = said.trim_end().lines().last().unwrap().to_owned();
    assert!(last.starts_with("mien-train: "), "{said}");
    last
}

#[test]
fn a_corpus_is_imported_trained_on_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/authors").display().to_string();
    let (store, out) = (path("store"), path("run"));
    done(&["import", &corpus, "--out", &store]);

    let settings = ["--set", "training.epochs=2", "--set", "training.batch=2", "--seeds", "1,2"];
    let train = [&["train", "--data", &store, "--out", &out, "--preset", "table1-row4"][..], &settings].concat();
    let output = done(&train);
    let (table, told) = (text(&output.stdout), text(&output.stderr));
    assert!(table.contains("mean") && table.contains("std deviation"), "{table}");
    // No terminal: plain lines, both seeds, both epochs.
    for line in ["seed 1: begins", "seed 2: begins", "seed 1 epoch 2/2 done", "validation MAE complete"] {
        assert!(told.contains(line), "{line} in {told}");
    }
    assert!(!told.contains('\u{1b}'), "no control sequences without a terminal");
    let saved = Experiment::read(&folder.path().join("run/experiment.toml")).unwrap();
    assert_eq!((saved.objective.mkd1, saved.objective.rs, saved.training.epochs), (0.0, 0.13, 2));
    let result = std::fs::read_to_string(folder.path().join("run/result.toml")).unwrap();
    let summary: Summary = toml::from_str(&result).unwrap();
    assert_eq!(summary.runs.iter().map(|r| r.seed).collect::<Vec<_>>(), [1, 2]);
    assert!(folder.path().join("run/seed-2/weights.safetensors").exists());

    assert_eq!(text(&done(&["resume", &out]).stdout), table, "a finished run gives the same table");
    let error = refused(3, &["resume", &out, "--set", "objective.rs=0.2"]);
    assert!(error.contains("objective.rs was 0.13") && error.contains("0.2"), "{error}");
    assert!(refused(3, &train).contains("resume"));

    // The chosen weights are where the next run may begin.
    let (weights, next) = (path("run/seed-1/weights.safetensors"), path("next"));
    done(&["train", "--data", &store, "--out", &next, "--weights", &weights, "--set", "training.epochs=1"]);
}

#[test]
fn wrong_requests_are_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out").display().to_string();
    assert!(refused(2, &["train", "--out", &out]).contains("--data"));
    assert!(refused(3, &["resume", &out]).contains("experiment.toml"));
    assert!(refused(3, &["settings", "--set", "training.epoch=1"]).contains("epoch"));
    assert!(refused(3, &["settings", "--set", "objective.rnc=-1.0"]).contains("objective.rnc"));
    let file = folder.path().join("e.toml");
    std::fs::write(&file, "[training]\nepochs = 3\nbach = 96\n").unwrap();
    let error = refused(3, &["settings", "--experiment", &file.display().to_string()]);
    assert!(error.contains("e.toml") && error.contains("line 3") && error.contains("bach"), "{error}");
    assert!(!run(&["settings", "--preset", "table1-row9"]).status.success());
}

#[test]
fn settings_are_printed_as_a_file() {
    let file = text(&done(&["settings", "--preset", "table1-row1", "--seeds", "1,2,3"]).stdout);
    let experiment: Experiment = toml::from_str(&file).unwrap();
    assert!(!experiment.network.simulated_text);
    assert_eq!(experiment.training.seeds, [1, 2, 3]);
}
