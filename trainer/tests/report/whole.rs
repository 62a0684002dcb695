//! From training to the page, as a user does it.

use std::path::Path;
use std::process::{Command, Output};

use super::{page, store};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mien-train")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn done(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn refused(args: &[&str]) -> String {
    let output = run(args);
    assert!(!output.status.success(), "{args:?}");
    let said = text(&output.stderr);
    assert!(said.starts_with("mien-train: ") && said.trim_end().lines().count() == 1, "{said}");
    said
}

#[test]
fn two_runs_are_trained_and_shown_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    store(folder.path(), "store");
    let (data, full, less, out) = (path("store"), path("full"), path("less"), path("report"));
    let train = |out: &str, preset: &str, seeds: &str| {
        let settings = ["--set", "training.epochs=2", "--set", "training.batch=6", "--seeds", seeds];
        done(&[&["train", "--data", &data, "--out", out, "--preset", preset][..], &settings].concat());
    };
    train(&full, "full", "1,2");
    train(&less, "table1-row2", "1");

    let options = ["--out", &out, "--resamples", "50", "--sample", "12"];
    let told = done(&[&["report", &full, &less][..], &options].concat());
    assert_eq!(told.trim_end(), Path::new(&out).join("report.html").display().to_string());
    let text = page::check(Path::new(&out));
    for said in ["A: full method", "B: no MIA, no MKD", "hardly trained", "Of 24 clips 12 are shown", "mien-train 0."] {
        assert!(text.contains(said), "{said}");
    }
    // Objective, validation, calibration, coverage and contribution of each, and the matrices of both.
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1 + 2 * 5 + 1);

    assert!(refused(&[&["report", &full][..], &options].concat()).contains("stands there already"));
    let other = path("other");
    assert!(refused(&["report", &full, "--out", &other, "--seed", "9"]).contains("no seed 9"));
    let cover = std::fs::read_to_string(folder.path().join("store/store.json")).unwrap();
    std::fs::write(folder.path().join("store/store.json"), cover.replace("\"schema\":1", "\"schema\":2")).unwrap();
    let said = refused(&["report", &full, "--out", &other]);
    assert!(said.contains("version 2") && said.contains("import the corpus again"), "{said}");
    assert!(refused(&["report", &path("nothing"), "--out", &other]).contains("experiment.toml"));
    assert!(!Path::new(&other).exists());
}
