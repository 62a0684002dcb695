//! A program that makes a bundle is killed before each of its system calls.
//!
//! A few points of all are tried; with `MIEN_EVERY_SYSTEM_CALL=1` each one is.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use mien_models::bundle::Bundle;

use crate::place::{Place, ended, mien};

/// Points that are tried of a command where not all are.
const SAMPLED: usize = 24;

/// Runs `mien` with `args` under strace.
fn traced(options: &[&str], args: &[&str]) -> Output {
    Command::new("strace")
        .args(["-f", "-qq", "-o"])
        .args(options)
        .arg(env!("CARGO_BIN_EXE_mien"))
        .args(args)
        .output()
        .expect("strace is installed by `cargo xtask setup`")
}

/// How often each system call is made.
fn system_calls(log: &Path, args: &[&str]) -> BTreeMap<String, usize> {
    let run = traced(&[log.to_str().unwrap()], args);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let mut calls = BTreeMap::new();
    for line in std::fs::read_to_string(log).unwrap().lines() {
        let call = line.split_once(' ').map(|(_, call)| call.trim_start()).and_then(|call| call.split_once('('));
        if let Some((name, _)) = call.filter(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')) {
            *calls.entry(name.to_owned()).or_default() += 1;
        }
    }
    calls
}

fn killed_anywhere(make: &dyn Fn(&Place) -> Vec<String>) {
    let place = Place::new();
    let args = make(&place);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let log = place.archive(0).with_file_name("log");
    let (mut tried, mut killed, mut old) = (0, 0, 0);
    for kept in [false, true] {
        place.reset(kept);
        let calls = system_calls(&log, &args);
        let all: Vec<(&String, usize)> =
            calls.iter().flat_map(|(name, count)| (1..=*count).map(move |nth| (name, nth))).collect();
        let step = if std::env::var_os("MIEN_EVERY_SYSTEM_CALL").is_some() { 1 } else { all.len() / SAMPLED };
        // What puts the bundle in its place is tried in any case.
        let decides = |name: &str| name.starts_with("rename") || name.starts_with("unlink") || name == "flock";
        let points = all.iter().enumerate().filter(|(i, (name, _))| i % step.max(1) == 0 || decides(name));
        for (_, (name, nth)) in points {
            place.reset(kept);
            let at = format!("{name} {nth}, kept: {kept}");
            let inject = format!("inject={name}:signal=KILL:when={nth}");
            let run = traced(&["/dev/null", "-e", &inject], &args);
            tried += 1;
            killed += usize::from(run.status.signal() == Some(9) || run.status.code() == Some(128 + 9));
            // A whole bundle stands there: the one before or the new one.
            assert!(place.target().is_dir(), "{at}");
            let found = Bundle::open(&place.target()).unwrap_or_else(|e| panic!("{at}: {e}")).digest().to_owned();
            assert!(place.digests.contains(&found), "{at}");
            old += usize::from(found == place.digests[0]);
            // The next one succeeds, keeps the one before, and takes away what was left.
            let next = mien(&args).output().unwrap();
            ended(&next).unwrap_or_else(|e| panic!("{at}: {e}"));
            assert_eq!(place.names(), ["bundle", "bundle.previous"], "{at}");
            assert_eq!(Bundle::open(&place.target()).unwrap().digest(), place.digests[1], "{at}");
            let before = Bundle::open(&place.place().join("bundle.previous")).unwrap();
            assert_eq!(before.digest(), found, "{at}");
        }
    }
    println!("{tried} points: {killed} killed, after {old} of them the bundle before stood there");
    assert!(killed > tried / 2 && old > 0 && old < tried, "{killed} of {tried} killed, {old} old");
}

#[test]
fn an_import_killed_at_any_system_call_leaves_a_whole_bundle_and_the_next_one_cleans_up() {
    killed_anywhere(&|place| {
        let path = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
        vec!["bundle".into(), "import".into(), path(place.archive(1)), path(place.target())]
    });
}

#[test]
fn a_dry_bundle_killed_at_any_system_call_leaves_a_whole_bundle_and_the_next_one_cleans_up() {
    killed_anywhere(&|place| {
        let target = place.target().to_str().unwrap().to_owned();
        ["bundle", "dry", "--seed", "9", "--out"].map(String::from).into_iter().chain([target]).collect()
    });
}

#[test]
fn the_built_in_bundle_and_the_clips_leave_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let demo = |inject: &[&str]| {
        Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null"])
            .args(inject)
            .arg(env!("CARGO_BIN_EXE_mien"))
            .args(["demo", "--no-llm"])
            .env("TMPDIR", temporary.path())
            .env_remove("MIEN_BUNDLE")
            .output()
            .unwrap()
    };
    let left = || std::fs::read_dir(temporary.path()).unwrap().count();
    // Killed when it reads the first clip.
    demo(&["-e", "inject=mkdir:signal=KILL:when=3"]);
    assert_eq!(left(), 1, "the clips alone");
    let whole = demo(&[]);
    assert!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));
    assert_eq!(left(), 0);
}
