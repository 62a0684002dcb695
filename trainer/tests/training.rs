//! Runs, and what stops them: NaN, full disks, changed experiments, other versions, damage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod formula_data;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use burn::tensor::Device;
use formula_data::Memory;
use mien_models::fusion::Mia;
use mien_trainer::data::Source;
use mien_trainer::objective::PRESETS;
use mien_trainer::train::{
    EpochDone, Experiment, Learner, Place, Report, Silent, StepDone, Summary, resume, saved, train,
};

fn corpus() -> Memory {
    Memory::new([20, 8, 0], [6, 10, 4])
}

fn run(experiment: &Experiment, source: &dyn Source, folder: &Path) -> mien_trainer::Result<Summary> {
    train(experiment, source, folder, &Device::flex(), &mut Silent)
}

fn again(source: &dyn Source, folder: &Path) -> mien_trainer::Result<Summary> {
    resume(None, source, folder, &Device::flex(), &mut Silent)
}

fn short() -> Experiment {
    let mut experiment = corpus().experiment();
    experiment.training.epochs = 2;
    experiment
}

fn newest_checkpoint(folder: &Path) -> PathBuf {
    let all = fs::read_dir(folder.join("seed-42/checkpoints")).unwrap();
    all.map(|entry| entry.unwrap().path()).max().unwrap()
}

/// Ends the process's part in a run after some steps, like a kill between two of them.
struct Stop(u64);

impl Report for Stop {
    fn began(&mut self, _seed: u64, _step: u64) {}
    fn step(&mut self, step: &StepDone) {
        assert!(step.step < self.0, "stopped by the test");
    }
    fn epoch(&mut self, _epoch: &EpochDone) {}
}

/// A run that stopped after `steps`, with its checkpoints.
fn stopped(experiment: &Experiment, steps: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let stop =
        std::panic::AssertUnwindSafe(|| train(experiment, &corpus(), folder.path(), &Device::flex(), &mut Stop(steps)));
    assert!(std::panic::catch_unwind(stop).is_err());
    folder
}

#[test]
fn the_objective_falls_and_validation_chooses_the_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = corpus().experiment();
    experiment.optimiser.rate = 1e-3;
    experiment.training.epochs = 8;
    experiment.training.seeds = vec![1, 2, 3];
    let summary = run(&experiment, &corpus(), folder.path()).unwrap();
    assert_eq!(summary.runs.len(), 3);
    let mean = summary.runs.iter().map(|r| r.valid.complete).sum::<f64>() / 3.0;
    assert!((summary.mean.complete - mean).abs() < 1e-12);
    for run in &summary.runs {
        let log = fs::read_to_string(folder.path().join(format!("seed-{}/log.jsonl", run.seed))).unwrap();
        let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let epochs: Vec<&serde_json::Value> = lines.iter().filter(|l| l.get("valid").is_some()).collect();
        assert_eq!((epochs.len(), lines.len() - epochs.len()), (8, 8 * 5));
        let score =
            |l: &serde_json::Value| l["valid"]["complete"].as_f64().unwrap() + l["valid"]["missing"].as_f64().unwrap();
        let best = epochs.iter().min_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
        assert!(score(best) < 0.8 * score(epochs[0]), "something is learned: {log}");
        assert_eq!(best["epoch"].as_u64(), Some(run.epoch as u64));
        // The JSON reader may be off by the last bit.
        let logged = best["valid"]["complete"].as_f64().unwrap();
        assert!((logged - run.valid.complete).abs() < 1e-14, "{logged}");
    }
    let text = fs::read_to_string(folder.path().join("result.toml")).unwrap();
    assert_eq!(toml::from_str::<Summary>(&text).unwrap(), summary);
    assert_eq!(saved(folder.path()).unwrap(), experiment);
    // A finished run is not trained again, and gives the same result.
    assert_eq!(again(&corpus(), folder.path()).unwrap(), summary);
}

#[test]
fn every_preset_trains() {
    for preset in &PRESETS {
        let folder = tempfile::tempdir().unwrap();
        let mut experiment = short().with_preset(preset);
        experiment.training.epochs = 1;
        run(&experiment, &corpus(), folder.path()).unwrap_or_else(|e| panic!("{}: {e}", preset.name));
        // The terms that are switched off are logged all the same.
        let log = fs::read_to_string(folder.path().join("seed-42/log.jsonl")).unwrap();
        let line: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
        let terms: Vec<f64> = line["terms"].as_array().unwrap().iter().map(|t| t.as_f64().unwrap()).collect();
        let o = &experiment.objective;
        let weights = [o.task_complete, o.task_missing, o.mkd1, o.mkd2, o.rs, o.rnc];
        let total: f64 = weights.iter().zip(&terms[1..]).map(|(w, t)| w * t).sum();
        assert!((total - terms[0]).abs() < 1e-5, "{}: {total} and {}", preset.name, terms[0]);
    }
}

/// Without MIA its weights get no gradient and stay as they were drawn; without simulated text the stream is not read.
#[test]
fn switched_off_parts_do_not_take_part() {
    let source = corpus();
    let mut batch = source.batch(mien_trainer::data::Split::Train, &[0, 1, 2]).unwrap();
    let mut experiment = short();
    experiment.network.mia = Mia::Off;
    experiment.network.simulated_text = false;
    let mut learner = Learner::new(&experiment, None, 5, &Device::flex()).unwrap();
    let before = learner.values().clone();
    let place = Place { epoch: 0, step: 0 };
    let terms = learner.step(&batch, place).unwrap();
    for (name, values) in learner.values() {
        let idle = name.contains("imagination") || before[name] == *values;
        let dead = ["fc_out_e", "prelu", "layer_normali", "imagination"]
            .iter()
            .any(|d| name.starts_with(d) || name.contains(d));
        assert_eq!(idle, dead && !name.starts_with("fc_out_v"), "{name}");
    }
    batch.simulated.rows.iter_mut().for_each(|v| *v = 1e3);
    let mut other = Learner::new(&experiment, None, 5, &Device::flex()).unwrap();
    assert_eq!(other.step(&batch, place).unwrap(), terms);
}

#[test]
fn nan_stops_the_run_and_names_step_and_clip() {
    let mut source = corpus();
    source.poisoned = Some(11);
    let folder = tempfile::tempdir().unwrap();
    let error = run(&short(), &source, folder.path()).unwrap_err().to_string();
    assert!(error.contains("epoch 1, step ") && error.contains("Train11_0") && error.contains("audio"), "{error}");
    // Weights that diverge rather than data: the batch is named.
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = short();
    experiment.optimiser.rate = 1e30;
    experiment.schedule.warmup = 0;
    let error = run(&experiment, &corpus(), folder.path()).unwrap_err().to_string();
    assert!(error.contains("step 2") && error.contains("batch: Train"), "{error}");
}

#[test]
fn a_changed_experiment_is_not_resumed() {
    let experiment = short();
    let folder = stopped(&experiment, 7);
    let mut other = experiment.clone();
    other.objective.rs = 0.5;
    let error = resume(Some(&other), &corpus(), folder.path(), &Device::flex(), &mut Silent).unwrap_err().to_string();
    assert!(error.contains("objective.rs was 0.13") && error.contains("0.5"), "{error}");
    // An edited file beside the checkpoints.
    let file = folder.path().join("experiment.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, other.to_toml().unwrap()).unwrap();
    let error = again(&corpus(), folder.path()).unwrap_err().to_string();
    assert!(error.contains("objective.rs was 0.13"), "{error}");
    fs::write(&file, text).unwrap();
    let error = again(&corpus().relabelled("other"), folder.path()).unwrap_err().to_string();
    assert!(error.contains("other"), "{error}");
    resume(Some(&experiment), &corpus(), folder.path(), &Device::flex(), &mut Silent).unwrap();
}

#[test]
fn a_folder_with_a_run_is_not_overwritten_and_one_without_is_not_resumed() {
    let folder = tempfile::tempdir().unwrap();
    assert!(again(&corpus(), folder.path()).unwrap_err().to_string().contains("experiment.toml"));
    run(&short(), &corpus(), folder.path()).unwrap();
    let error = run(&short(), &corpus(), folder.path()).unwrap_err().to_string();
    assert!(error.contains("resume"), "{error}");
}

#[test]
fn checkpoints_of_other_versions_and_damaged_ones_are_refused() {
    let mut experiment = short();
    experiment.training.checkpoint_every = 2;
    let folder = stopped(&experiment, 9);
    let newest = newest_checkpoint(folder.path());
    let state = newest.join("state.toml");
    let text = fs::read_to_string(&state).unwrap();

    fs::write(&state, text.replacen("version = 1", "version = 2\nnovelty = true", 1)).unwrap();
    let error = again(&corpus(), folder.path()).unwrap_err().to_string();
    assert!(error.contains("format 2") && error.contains("format 1"), "{error}");
    fs::write(&state, &text[..text.len() / 2]).unwrap();
    assert!(again(&corpus(), folder.path()).unwrap_err().to_string().contains("state.toml"));
    fs::write(&state, &text).unwrap();

    for name in ["weights.safetensors", "adam.safetensors"] {
        let file = newest.join(name);
        let whole = fs::read(&file).unwrap();
        let mut damaged = whole.clone();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        fs::write(&file, &damaged).unwrap();
        let error = again(&corpus(), folder.path()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("remove this folder"), "{error}");
        fs::write(&file, &whole).unwrap();
    }
    // What the message says helps: the checkpoint before it gives the same end.
    let expected = tempfile::tempdir().unwrap();
    run(&experiment, &corpus(), expected.path()).unwrap();
    fs::remove_dir_all(&newest).unwrap();
    again(&corpus(), folder.path()).unwrap();
    let weights = |folder: &Path| fs::read(folder.join("seed-42/weights.safetensors")).unwrap();
    assert!(weights(folder.path()) == weights(expected.path()));
}

#[test]
fn half_written_checkpoints_are_not_taken() {
    let mut experiment = short();
    experiment.training.checkpoint_every = 2;
    let folder = stopped(&experiment, 5);
    let newest = newest_checkpoint(folder.path());
    let half = newest.parent().unwrap().join(".writing-abc");
    fs::create_dir(&half).unwrap();
    fs::copy(newest.join("state.toml"), half.join("state.toml")).unwrap();
    again(&corpus(), folder.path()).unwrap();
    assert!(!half.exists());
}

const FOLDER: &str = "MIEN_TEST_RUN_FOLDER";

/// Not a test of its own: trains with a limit on the size of files.
#[test]
#[ignore = "started by the test below"]
fn child() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("a folder"));
    let error = again(&corpus(), &folder).unwrap_err();
    println!("error: {error}");
}

/// A disk that takes no more: the run ends with a message, and the checkpoints before are whole.
#[test]
fn a_full_disk_leaves_the_checkpoints_before() {
    let mut experiment = short();
    experiment.training.checkpoint_every = 2;
    let folder = stopped(&experiment, 4);
    let before = newest_checkpoint(folder.path());
    // Writing past the limit fails like writing to a full disk; without the trap it would end the process.
    let script = "trap '' XFSZ; ulimit -f 4096; exec \"$0\" --ignored --exact child --nocapture";
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("error: ") && said.contains("cannot write"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(newest_checkpoint(folder.path()), before, "nothing half-written, nothing lost");
    let expected = tempfile::tempdir().unwrap();
    run(&experiment, &corpus(), expected.path()).unwrap();
    again(&corpus(), folder.path()).unwrap();
    let weights = |folder: &Path| fs::read(folder.join("seed-42/weights.safetensors")).unwrap();
    assert!(weights(folder.path()) == weights(expected.path()));
}

#[test]
fn a_corpus_that_does_not_fit_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let mut experiment = short();
    experiment.network.text = 4096;
    let error = run(&experiment, &corpus(), &out).unwrap_err().to_string();
    assert!(error.contains("network.text") && error.contains("10"), "{error}");
    let error = run(&short(), &Memory::new([5, 0, 0], [6, 10, 4]), &out).unwrap_err().to_string();
    assert!(error.contains("validation"), "{error}");
    assert!(!out.exists());
}

#[test]
fn patience_ends_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut experiment = short();
    experiment.training.epochs = 30;
    experiment.training.patience = 2;
    experiment.optimiser.rate = 3e-3;
    experiment.schedule.warmup = 0;
    let summary = run(&experiment, &corpus(), folder.path()).unwrap();
    let run = &summary.runs[0];
    assert!(run.epochs < 30 && run.epochs == run.epoch + 2, "{run:?}");
}
