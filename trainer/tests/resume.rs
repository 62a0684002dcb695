//! A run that is killed at any moment goes on to the same bits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod formula_data;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use burn::tensor::Device;
use formula_data::{Memory, unit};
use mien_trainer::train::{EpochDone, Experiment, Report, Silent, StepDone, resume, train};

/// Kills per run; what the issue asks for is at least 20.
const KILLS: usize = 24;
const FOLDER: &str = "MIEN_TEST_RUN_FOLDER";

fn corpus() -> Memory {
    Memory::new([22, 6, 0], [6, 10, 4])
}

fn experiment() -> Experiment {
    let mut experiment = corpus().experiment();
    experiment.training.seeds = vec![42, 7];
    experiment.training.epochs = 4;
    experiment.training.checkpoint_every = 2;
    experiment
}

/// Tells its parent of every step.
struct Tell;

impl Report for Tell {
    fn began(&mut self, seed: u64, step: u64) {
        println!("began {seed} {step}");
    }
    fn step(&mut self, step: &StepDone) {
        println!("step {}", step.step);
    }
    fn epoch(&mut self, epoch: &EpochDone) {
        println!("epoch {}", epoch.epoch);
    }
}

/// Not a test of its own: the process that is killed.
#[test]
#[ignore = "started by the test below"]
fn child() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("a folder"));
    let device = Device::flex();
    if folder.join("experiment.toml").exists() {
        resume(None, &corpus(), &folder, &device, &mut Tell).unwrap();
    } else {
        train(&experiment(), &corpus(), &folder, &device, &mut Tell).unwrap();
    }
    println!("finished");
}

/// Every file of a finished run that a result depends on, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Starts the child and kills it `after` more lines and `pause`; whether it had finished before.
fn run_and_kill(folder: &Path, after: usize, pause: Duration) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    let mut finished = false;
    for line in lines {
        let line = line.unwrap();
        finished |= line.starts_with("finished");
        seen += usize::from(["began", "step", "epoch"].iter().any(|word| line.starts_with(word)));
        if seen > after {
            std::thread::sleep(pause);
            // SIGKILL: nothing of the process runs any more.
            child.kill().unwrap();
            break;
        }
    }
    child.wait().unwrap();
    finished
}

#[test]
fn a_killed_run_ends_in_the_same_bits() {
    let whole = tempfile::tempdir().unwrap();
    train(&experiment(), &corpus(), whole.path(), &Device::flex(), &mut Silent).unwrap();

    let killed = tempfile::tempdir().unwrap();
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    println!("random numbers of seed {seed}");
    let draws = unit(seed, "kills", 2 * KILLS);
    let mut kills = 0;
    for pair in draws.chunks_exact(2) {
        let [after, pause] = [(pair[0] + 1.0) / 2.0, (pair[1] + 1.0) / 2.0];
        // Lines let some checkpoints happen; the pause falls anywhere in a step, a checkpoint or an epoch's end.
        let finished =
            run_and_kill(killed.path(), (after * 5.0) as usize, Duration::from_micros((pause * 60_000.0) as u64));
        if finished {
            break;
        }
        kills += 1;
    }
    println!("{kills} kills");
    assert!(kills >= 20, "the run was over after {kills} kills: make it longer");
    resume(None, &corpus(), killed.path(), &Device::flex(), &mut Silent).unwrap();

    let (expected, found) = (files(whole.path()), files(killed.path()));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, bytes) in &expected {
        assert!(found[name] == *bytes, "{name} differs");
    }
    assert!(expected.contains_key("seed-42/weights.safetensors"), "{:?}", expected.keys());
}

/// Two runs of one experiment write equal files, and another seed writes others.
#[test]
fn a_run_is_a_function_of_its_experiment() {
    let run = |seed: u64| {
        let folder = tempfile::tempdir().unwrap();
        let mut experiment = experiment();
        (experiment.training.seeds, experiment.training.epochs) = (vec![seed], 2);
        train(&experiment, &corpus(), folder.path(), &Device::flex(), &mut Silent).unwrap();
        files(&folder.path().join(format!("seed-{seed}")))
    };
    let one = run(42);
    assert!(one == run(42));
    assert_ne!(one["weights.safetensors"], run(43)["weights.safetensors"]);
}
