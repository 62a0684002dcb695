//! Reports: numbers against the networks that they are of, pages against a strict parser, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod numbers;
mod page;
#[path = "../plain_corpus/mod.rs"]
mod plain_corpus;
mod refusals;
mod whole;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use mien_trainer::data::store::Store;
use mien_trainer::data::{Source, Split};
use mien_trainer::evaluate::Measuring;
use mien_trainer::objective::Preset;
use mien_trainer::report::contribution::MODES;
use mien_trainer::report::similarity::{Feature, Sampling};
use mien_trainer::report::{Report, Request};
use mien_trainer::train::{Errors, Experiment, LOG_FILE, Learner, RESULT_FILE, SeedResult, Summary, seed_folder};
use mien_trainer::{Result, TrainerError};
use serde_json::json;

/// The label of clip `n`: thirds from -3 to 3.
fn label(n: usize) -> f64 {
    ((n * 7) % 19) as f64 / 3.0 - 3.0
}

/// A corpus of 12 clips to learn, 20 to choose and calibrate by, 24 to measure. Text says the label, the others less.
fn store(folder: &Path, name: &str) -> Store {
    store_of(folder, name, 24)
}

/// The same with another number of clips to measure.
fn store_of(folder: &Path, name: &str, test: usize) -> Store {
    let value = |n: usize, modality: usize| label(n) * [0.1, 1.0, 0.6, 0.2][modality] + (n % 5) as f64 * 0.1;
    let clips = [("train", 12), ("valid", 20), ("test", test)];
    plain_corpus::store(&folder.join(format!("corpus of {name}")), &folder.join(name), clips, label, value)
}

fn experiment(store: &Store, preset: &str, seeds: &[u64]) -> Experiment {
    let mut experiment = Experiment::default().with_preset(Preset::find(preset).unwrap());
    [experiment.network.audio, experiment.network.text, experiment.network.video] = store.widths();
    experiment.training.seeds = seeds.to_vec();
    experiment.data = Some(store.path().to_owned());
    experiment
}

/// A finished run that nobody trained: drawn weights, and a log and a result written by hand. Two epochs of two steps;
/// the second epoch was the better one.
fn run(folder: &Path, store: &Store, preset: &str, seeds: &[u64]) -> PathBuf {
    let experiment = experiment(store, preset, seeds);
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("experiment.toml"), experiment.to_toml().unwrap()).unwrap();
    let valid = |seed: u64| Errors { complete: 0.5 + seed as f64, missing: 0.75 + seed as f64 };
    let one = |&seed: &u64| SeedResult { seed, epoch: 2, epochs: 2, steps: 4, valid: valid(seed) };
    let summary = Summary {
        data: store.name().into(),
        data_digest: store.digest().into(),
        split: Split::Valid,
        mean: valid(0),
        deviation: Errors { complete: 0.0, missing: 0.0 },
        runs: seeds.iter().map(one).collect(),
    };
    std::fs::write(folder.join(RESULT_FILE), toml::to_string(&summary).unwrap()).unwrap();
    for &seed in seeds {
        let place = seed_folder(folder, seed);
        std::fs::create_dir_all(&place).unwrap();
        let learner = Learner::new(&experiment, None, seed, &Device::flex()).unwrap();
        learner.save(&place.join("weights.safetensors"), &Default::default()).unwrap();
        let mut log = String::new();
        for step in 1..=4 {
            let (epoch, batch) = ((step + 1) / 2, 2 - step % 2);
            let terms = [9.5 - f64::from(step), 1.0, 2.0, 0.5, 0.25, 0.125, 4.0];
            let line = json!({
                "seed": seed, "epoch": epoch, "batch": batch, "step": step, "clips": 6, "rate": 2e-5, "terms": terms,
            });
            writeln!(log, "{line}").unwrap();
            if batch == 2 {
                let valid = json!({ "complete": 2.5 - f64::from(epoch), "missing": 2.75 - f64::from(epoch) });
                let line = json!({ "seed": seed, "epoch": epoch, "means": terms, "valid": valid, "best": true });
                writeln!(log, "{line}").unwrap();
            }
        }
        std::fs::write(place.join(LOG_FILE), log).unwrap();
    }
    folder.to_owned()
}

fn measuring() -> Measuring {
    Measuring { split: Split::Test, calibrate: Split::Valid, modes: MODES.into(), batch: 5, resamples: 50, seed: 1 }
}

fn request<'a>(runs: &'a [PathBuf], device: &'a Device) -> Request<'a> {
    Request {
        runs,
        measuring: measuring(),
        seed: None,
        all_seeds: false,
        sampling: Sampling { most: 10, seed: 1 },
        feature: Feature::Contrast,
        device,
        device_name: "cpu",
        made: "2026-01-02 03:04 UTC".into(),
    }
}

fn gathered(runs: &[PathBuf], store: &Store) -> Result<Report> {
    Report::gather(&request(runs, &Device::flex()), store, &mut |_| {})
}

fn message<T>(result: std::result::Result<T, TrainerError>) -> String {
    let Err(error) = result else { panic!("expected an error") };
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text:?}");
    text
}
