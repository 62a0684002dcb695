//! What a report is not made of, and what is left then.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use mien_trainer::data::Split;
use mien_trainer::report::{PAGE, report};

use super::{gathered, message, request, run, store, store_of};

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn runs_that_are_damaged_or_not_over_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), "store");
    let broken = |name: &str, breaking: &dyn Fn(&Path)| {
        let run = run(&folder.path().join(name), &store, "full", &[1]);
        breaking(&run);
        let told = message(gathered(&[run], &store));
        assert!(told.contains(name), "{told}");
        told
    };
    let told = broken("unfinished", &|run| fs::remove_file(run.join("result.toml")).unwrap());
    assert!(told.contains("mien-train resume"), "{told}");
    let told = broken("no run", &|run| fs::remove_file(run.join("experiment.toml")).unwrap());
    assert!(told.contains("mien-train train"), "{told}");
    let told = broken("damaged result", &|run| replace(&run.join("result.toml"), "epochs = 2", "epochs = \"two\""));
    assert!(told.contains("result.toml") && told.contains("invalid type"), "{told}");
    let told = broken("damaged line", &|run| replace(&run.join("seed-1/log.jsonl"), "\"step\":3", "\"step\":"));
    assert!(told.contains("log.jsonl") && told.contains("line 4"), "{told}");
    let told = broken("cut log", &|run| {
        let path = run.join("seed-1/log.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.lines().take(3).collect::<Vec<_>>().join("\n")).unwrap();
    });
    assert!(told.contains("epochs 1, the result 2"), "{told}");
    let told = broken("other seeds", &|run| replace(&run.join("experiment.toml"), "seeds = [1]", "seeds = [1, 2]"));
    assert!(told.contains("seeds [1]") && told.contains("[1, 2]"), "{told}");
    let told = broken("no log", &|run| fs::remove_file(run.join("seed-1/log.jsonl")).unwrap());
    assert!(told.contains("log.jsonl"), "{told}");
    let told = broken("no weights", &|run| fs::remove_file(run.join("seed-1/weights.safetensors")).unwrap());
    assert!(told.contains("weights.safetensors"), "{told}");
}

#[test]
fn runs_of_another_corpus_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (store(folder.path(), "one"), store_of(folder.path(), "other", 25));
    let runs = [run(&folder.path().join("a"), &one, "full", &[1]), run(&folder.path().join("b"), &other, "full", &[1])];
    let told = message(gathered(&runs, &one));
    assert!(told.contains("/b: ") && told.contains("digest") && told.contains("one corpus"), "{told}");
    replace(&runs[0].join("experiment.toml"), "text = 3", "text = 7");
    let told = message(gathered(&runs, &one));
    assert!(told.contains("/a: ") && told.contains("[2, 7, 2]") && told.contains("[2, 3, 2]"), "{told}");
}

#[test]
fn requests_that_cannot_be_are_told_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), "store");
    let runs = [run(&folder.path().join("run"), &store, "full", &[1])];
    let device = Device::flex();
    let entries = || fs::read_dir(folder.path()).unwrap().count();
    let before = entries();
    let out = folder.path().join("out");

    let mut wrong = request(&runs, &device);
    wrong.measuring.calibrate = Split::Test;
    assert!(message(report(&wrong, &store, &out, &mut |_| {})).contains("--calibrate"));
    let mut wrong = request(&runs, &device);
    wrong.seed = Some(7);
    assert!(message(report(&wrong, &store, &out, &mut |_| {})).contains("no seed 7"));
    assert!(message(report(&request(&[], &device), &store, &out, &mut |_| {})).contains("expected 1 to 26"));
    assert_eq!(entries(), before, "nothing is left of a report that failed");

    let page = report(&request(&runs, &device), &store, &out, &mut |_| {}).unwrap();
    assert_eq!(page, out.join(PAGE));
    let made = fs::read(&page).unwrap();
    let told = message(report(&request(&runs, &device), &store, &out, &mut |_| panic!("computes first")));
    assert!(told.contains("stands there already"), "{told}");
    assert_eq!(fs::read(&page).unwrap(), made);
    assert_eq!(entries(), before + 1);
}
