//! Without a bundle the built-in one serves, and everything that is made with it says what it knows.

use mien_models::bundle::Bundle;
use serde_json::Value;

use crate::material::{Run, SPEECH, built_in, command};

/// What the manifest of the sources says.
fn manifest() -> Bundle {
    Bundle::open(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/pocket/bundle").as_ref()).unwrap()
}

/// Holds that `run` succeeded and warned by `statement` in words, or in an object with `json`.
fn warns(run: &Run, statement: &str, json: bool) {
    assert_eq!(run.code, 0, "{}", run.stderr);
    let is_said = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(object) => json && object["warning"] == statement,
        Err(_) => !json && line == format!("mien: WARNING: {statement}"),
    };
    assert_eq!(run.stderr.lines().filter(|line| is_said(line)).count(), 1, "{}", run.stderr);
    assert!(!run.stderr.contains("untrained"), "{}", run.stderr);
}

#[test]
fn the_statement_is_said_by_every_command_that_runs_networks() {
    let bundle = manifest();
    let statement = &bundle.manifest().statement;
    assert!(statement.starts_with("pocket: knows only its small world"), "{statement}");
    for args in [
        &["score", SPEECH][..],
        &["demo"],
        &["bench", "--runs", "1", "--seconds", "1"],
        &["bench", "--llm", "--runs", "1", "--prompt", "8", "--tokens", "2"],
        &["bench", "--live", "--utterances", "1"],
    ] {
        warns(&built_in(args), statement, false);
        let run = built_in(&[args, &["--json"]].concat());
        warns(&run, statement, true);
        // Records, reports and summaries alike.
        for line in run.lines() {
            let bundle = line.get("bundle").unwrap_or(&line["summary"]["bundle"]);
            assert_eq!(bundle["statement"], statement.as_str(), "{args:?}: {line}");
        }
    }
    assert!(built_in(&["demo"]).stdout.ends_with(&format!("NOTE    {statement}\n")));
}

#[test]
fn the_built_in_bundle_is_that_of_the_sources() {
    let bundle = manifest();
    let run = built_in(&["score", SPEECH, "--json"]);
    let record = &run.records()[0];
    assert_eq!(record["bundle"]["digest"], bundle.digest());
    assert_eq!(record["bundle"]["trained"], bundle.manifest().trained);
    let mut named = command(&["score", SPEECH, "--json", "--bundle", bundle.folder().to_str().unwrap()]);
    named.env_remove("MIEN_BUNDLE");
    assert_eq!(run.stdout, Run::of(named).stdout);
}

#[test]
fn the_built_in_bundle_leaves_nothing_in_the_temporary_folder() {
    let folder = tempfile::tempdir().unwrap();
    for args in [&["score", SPEECH, "--no-llm"][..], &["demo"]] {
        let mut command = command(args);
        command.env_remove("MIEN_BUNDLE").env("TMPDIR", folder.path());
        assert_eq!(Run::of(command).code, 0);
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    // The bundle needs no room on a disk. For the clips, no room is an error that names the place.
    let nowhere = |args: &[&str]| {
        let mut command = command(args);
        command.env_remove("MIEN_BUNDLE").env("TMPDIR", folder.path().join("nowhere"));
        Run::of(command)
    };
    assert_eq!(nowhere(&["score", SPEECH, "--json", "--no-llm"]).code, 0);
    assert!(nowhere(&["demo", "--json"]).error(1).contains("nowhere"));
}
