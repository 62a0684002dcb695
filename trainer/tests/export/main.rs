//! From a run to a bundle: the device's scores are the trainer's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod refused;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mien_models::bundle::{Bundle, DrySize, Role, make_dry};
use mien_models::fusion::{Fusion, FusionInput};
use mien_models::tensor::{Tensor, formula};

/// Clips of each split.
const CLIPS: [(&str, usize); 3] = [("train", 8), ("valid", 5), ("test", 6)];

/// A base bundle, a corpus with rows as wide as its encoders', its store, and a run of one epoch on it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(settings: &[&str]) -> Self {
        Self::with(0, settings)
    }

    /// With audio rows that are wider than the base's encoder gives.
    fn with(wider: usize, settings: &[&str]) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        make_dry(&place.path("base"), DrySize::Small, 1).unwrap();
        place.corpus(wider);
        place.done(&["import", &place.text("corpus"), "--out", &place.text("store"), "--rows", "f32"]);
        let train =
            ["train", "--data", &place.text("store"), "--out", &place.text("run"), "--set", "training.epochs=1"];
        place.done(&[&train[..], settings].concat());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_mien-train")).args(args).output().unwrap()
    }

    fn done(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that must fail says.
    fn refused(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(!output.status.success(), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Widths of audio, text and video rows that the base's encoders give.
    fn widths(&self) -> [usize; 3] {
        let base = Bundle::open(&self.path("base")).unwrap();
        let fusion = base.manifest().fusion;
        [fusion.audio, fusion.text, fusion.video]
    }

    fn corpus(&self, wider: usize) {
        let [audio, text, video] = self.widths();
        let audio = audio + wider;
        let mut table = String::from("id,split,label\n");
        let mut n = 0;
        for (split, count) in CLIPS {
            for _ in 0..count {
                table.push_str(&format!("v{n}_0,{split},{}\n", ((n * 7) % 19) as f64 / 3.0 - 3.0));
                for (modality, width) in [("audio", audio), ("text", text), ("simulated", text), ("video", video)] {
                    write_npy(&self.path("corpus").join(modality), n, &rows(modality, n, width));
                }
                n += 1;
            }
        }
        std::fs::write(self.path("corpus/clips.csv"), table).unwrap();
    }
}

/// Formula rows of clip `n`.
fn rows(modality: &str, n: usize, width: usize) -> Tensor {
    let shape = [2 + (n + modality.len()) % 5, width];
    Tensor::new(shape, formula::fill(5, &format!("input.{modality}.{n}"), &shape)).unwrap()
}

fn write_npy(folder: &Path, n: usize, rows: &Tensor) {
    std::fs::create_dir_all(folder).unwrap();
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    let [count, width] = [rows.rows(), rows.width()];
    let dict = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({count}, {width}), }}");
    bytes.extend(format!("{dict:117}\n").bytes());
    bytes.extend(rows.data().iter().flat_map(|v| v.to_le_bytes()));
    std::fs::write(folder.join(format!("v{n}_0.npy")), bytes).unwrap();
}

/// Valences that `evaluate` saved, by mode and clip number.
fn predictions(path: &Path) -> BTreeMap<(String, usize), f64> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut found = BTreeMap::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let number = cells[1].trim_start_matches('v').trim_end_matches("_0").parse().unwrap();
        found.insert((cells[0].to_owned(), number), cells[3].parse().unwrap());
    }
    found
}

#[test]
fn a_run_becomes_a_bundle_that_gives_the_trainers_valences() {
    let place = Place::new(&[]);
    let args =
        ["export", &place.text("run"), "--base", &place.text("base"), "--out", &place.text("bundle"), "--name", "mine"];
    let told = place.done(&args);
    assert!(told.contains("on 5 clips in 11 modes"), "{told}");
    assert!(told.contains("NOTE: untrained formula weights"), "{told}");

    let [base, made] = ["base", "bundle"].map(|name| Bundle::open(&place.path(name)).unwrap());
    assert!(told.contains(made.digest()), "{told}");
    let (was, is) = (base.manifest(), made.manifest());
    assert_eq!((is.name.as_str(), is.trained, &is.statement), ("mine", false, &was.statement));
    assert!(is.created_by.starts_with("mien-train"));
    assert_eq!(is.memory.without_llm, was.memory.without_llm, "a network of the same size needs the same memory");
    for entry in &is.files {
        let before = was.files.iter().find(|f| f.path == entry.path).unwrap();
        let replaced = matches!(entry.role, Role::Fusion | Role::FusionWeights);
        assert_eq!(entry.sha256 != before.sha256, replaced, "{}", entry.path);
        assert_eq!(entry.source != before.source, replaced, "{}", entry.path);
    }
    assert_eq!(is.files.len(), was.files.len());

    // The bundle's graph against what `evaluate` saved, on the test split, which the export has not seen.
    let evaluation = place.text("evaluation");
    let modes = "complete,text-missing,no-face";
    place.done(&["evaluate", &place.text("run"), "--out", &evaluation, "--modes", modes, "--batch", "4"]);
    let saved = predictions(&place.path("evaluation/predictions.csv"));
    let mut fusion = Fusion::load(&made.path(Role::Fusion).unwrap(), &is.fusion).unwrap();
    let [audio, text, video] = place.widths();
    let mut different = std::collections::BTreeSet::new();
    for n in 13..19 {
        let [a, t, s, v] = [("audio", audio), ("text", text), ("simulated", text), ("video", video)]
            .map(|(modality, width)| rows(modality, n, width));
        let none = Tensor::zeros([0, video]);
        for (mode, text, video, text_missing) in
            [("complete", &t, &v, false), ("text-missing", &s, &v, true), ("no-face", &t, &none, false)]
        {
            let valence = fusion.run(&[FusionInput { audio: &a, text, video, text_missing }]).unwrap()[0].valence;
            let expected = saved[&(mode.to_owned(), n)];
            assert!((f64::from(valence) - expected).abs() < 1e-5, "{mode} {n}: {valence} and {expected}");
            different.insert(valence.to_bits());
        }
    }
    assert_eq!(different.len(), 18, "modes and clips differ");
}

#[test]
fn errors_and_intervals_are_those_of_the_new_weights() {
    let place = Place::new(&[]);
    let (run, base, out) = (place.text("run"), place.text("base"), place.text("bundle"));
    place.done(&["evaluate", &run, "--bundle", &base]);
    assert!(!Bundle::open(&place.path("base")).unwrap().manifest().metrics.is_empty());
    place.done(&["export", &run, "--base", &base, "--out", &out, "--trained", "--statement", "a small world"]);
    let made = Bundle::open(&place.path("bundle")).unwrap();
    let manifest = made.manifest();
    assert!(manifest.metrics.is_empty() && manifest.interval90.is_empty(), "measured with other weights");
    assert_eq!((manifest.trained, manifest.statement.as_str()), (true, "a small world"));
    place.done(&["evaluate", &run, "--bundle", &out]);
    assert_eq!(Bundle::open(&place.path("bundle")).unwrap().manifest().metrics.len(), 11);

    // Once more over it: the one before is kept, and the digest is that of the same files.
    let told = place.done(&["export", &run, "--base", &base, "--out", &out, "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["checked"]["clips"], 5);
    assert!(place.path("bundle.previous/manifest.toml").exists());
    assert_eq!(told["digest"], Bundle::open(&place.path("bundle")).unwrap().digest());
}
