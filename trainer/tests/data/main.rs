//! Corpora in every layout that is imported: what numpy wrote is what a batch holds; damage and faults are told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod damage;
mod import;
mod labels;
mod layouts;
mod npy_files;
mod store;

use std::path::{Path, PathBuf};

use mien_models::tensor::NamedTensors;
use mien_trainer::data::corpus::Corpus;
use mien_trainer::data::import::{ImportSettings, import as import_into};
use mien_trainer::data::store::{Index, RowType, Store};
use mien_trainer::{Result, TrainerError};

/// A file of `trainer/tests/fixtures`, made by `tests/reference/data_fixtures.py`.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// What numpy says is in the fixtures.
struct Expected(NamedTensors);

impl Expected {
    fn open() -> Self {
        Self(NamedTensors::open(&fixture("expected.safetensors")).unwrap())
    }

    /// Rows and width, and the numbers.
    fn get(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let shape = self.0.shape(name).unwrap_or_else(|| panic!("no {name}")).to_vec();
        (shape.clone(), self.0.get(name, &shape).unwrap().into_owned())
    }
}

/// The message of a refusal; every message is one line.
fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    let text = result.unwrap_err().to_string();
    assert!(!text.contains(['\n', '\r', '\u{1b}']), "{text:?}");
    text
}

fn f32_rows() -> ImportSettings {
    ImportSettings { rows: RowType::F32, ..ImportSettings::default() }
}

/// Imports without a progress report.
fn import(corpus: &dyn Corpus, out: &Path, settings: &ImportSettings) -> Result<Index> {
    import_into(corpus, out, settings, &|_| {})
}

/// Imports into a store in a folder of its own.
fn store(corpus: &dyn Corpus, settings: &ImportSettings) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("store");
    import(corpus, &out, settings).unwrap();
    let store = Store::open(&out).unwrap();
    (folder, store)
}

/// Copies a folder with everything in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// SplitMix64, so that every run tries the same changes.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

/// Whether the error says what is wrong with the data, rather than that the program failed.
fn is_refusal(error: &TrainerError) -> bool {
    matches!(
        error,
        TrainerError::Format { .. } | TrainerError::Corpus { .. } | TrainerError::Store { .. } | TrainerError::Model(_)
    )
}
