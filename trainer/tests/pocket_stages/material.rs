//! A corpus of a few clips, and stages so small that a step takes a moment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use burn::tensor::Device;
use mien_models::wavlm::WavlmConfig;
use mien_trainer::Result;
use mien_trainer::course::{Finished, Measures, Pace, Told};
use mien_trainer::pocket::corpus::{CorpusSettings, build};
use mien_trainer::pocket::hearing::{self, HearingSettings};
use mien_trainer::pocket::language::{self, LanguageSettings};
use mien_trainer::pocket::projection::{self, ProjectionSettings};
use mien_trainer::pocket::seeing::{self, SeeingSettings};
use tempfile::TempDir;

/// A corpus of twelve clips that no test changes.
pub(crate) fn corpus() -> &'static Path {
    static CORPUS: OnceLock<TempDir> = OnceLock::new();
    let folder = CORPUS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        build(&CorpusSettings { seed: 5, clips: [8, 3, 1] }, &folder.path().join("corpus"), &|_| ()).unwrap();
        folder
    });
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| folder.path().join("corpus"))
}

/// The same clips in a folder that a test may change.
pub(crate) fn copied(to: &Path) {
    let mut folders = vec![corpus().to_owned()];
    while let Some(folder) = folders.pop() {
        let target = to.join(folder.strip_prefix(corpus()).unwrap());
        fs::create_dir_all(&target).unwrap();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => drop(fs::copy(&path, target.join(path.file_name().unwrap())).unwrap()),
            }
        }
    }
}

fn pace(steps: u64, batch: usize, rate: f64) -> Pace {
    Pace { seed: 3, steps, batch, rate, warmup: 4, measure_every: 10, checkpoint_every: 4 }
}

pub(crate) fn language() -> LanguageSettings {
    LanguageSettings { hidden: 32, intermediate: 64, layers: 4, heads: 2, measured: 3, pace: pace(60, 8, 1e-2) }
}

pub(crate) fn hearing() -> HearingSettings {
    let sizes = WavlmConfig {
        hidden: 32,
        layers: 2,
        heads: 2,
        intermediate: 32,
        conv_channels: 8,
        conv_pos_kernel: 8,
        conv_pos_groups: 2,
        buckets: 16,
        max_distance: 40,
        layer_norm_eps: 1e-5,
    };
    HearingSettings { sizes, measured: 3, flat_start: 12, pace: pace(40, 4, 5e-3) }
}

pub(crate) fn projection() -> ProjectionSettings {
    let (hearing, language) = (hearing().sizes, language());
    ProjectionSettings { hearing, language, k: 5, hidden: 48, varied: 1, measured: 3, pace: pace(40, 8, 1e-2) }
}

pub(crate) fn seeing() -> SeeingSettings {
    SeeingSettings { width: 4, pictures: 1, measured: 2, pace: pace(20, 4, 3e-3) }
}

/// Every stage, each after those that it stands on.
pub(crate) const STAGES: [&str; 4] = [language::STAGE, hearing::STAGE, projection::STAGE, seeing::STAGE];

/// A stage by its name, on `corpus`, in `out`.
pub(crate) fn train(stage: &str, corpus: &Path, out: &Path) -> Result<Finished> {
    let tell = |_: Told| ();
    let device = Device::flex();
    match stage {
        language::STAGE => language::train(corpus, out, &language(), &device, &tell),
        hearing::STAGE => hearing::train(corpus, out, &hearing(), &device, &tell),
        projection::STAGE => projection::train(corpus, out, &projection(), &device, &tell),
        seeing::STAGE => seeing::train(corpus, out, &seeing(), &device, &tell),
        other => panic!("{other}"),
    }
}

/// All four stages, which no test changes.
pub(crate) fn trained() -> &'static Path {
    static OUT: OnceLock<TempDir> = OnceLock::new();
    let out = OUT.get_or_init(|| {
        let out = tempfile::tempdir().unwrap();
        for stage in STAGES {
            train(stage, corpus(), out.path()).unwrap();
        }
        out
    });
    out.path()
}

/// Every file of a stage's folder, the desk excepted.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() {
                if name != ".work" {
                    folders.push(path);
                }
            } else {
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Losses and measures in a stage's log, by step.
pub(crate) fn log(out: &Path, stage: &str) -> (Vec<f64>, Vec<(u64, Measures)>) {
    let text = fs::read_to_string(out.join(stage).join("log.jsonl")).unwrap();
    let (mut losses, mut measures) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["stage"], stage);
        let step = line["step"].as_u64().unwrap();
        if let Some(loss) = line["loss"].as_f64() {
            losses.push(loss);
            assert_eq!(step, losses.len() as u64);
        }
        if line.get("valid").is_some() {
            measures.push((step, serde_json::from_value(line["valid"].clone()).unwrap()));
        }
    }
    (losses, measures)
}
