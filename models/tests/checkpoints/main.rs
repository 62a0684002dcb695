//! Published checkpoints in every form that they come in, written by PyTorch, against the formula of their weights.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod forms;
mod kinds;
mod sizes;
mod variant;
mod wrapped;

use std::path::PathBuf;

use mien_models::tensor::{NamedTensors, formula};

/// Seed of every weight in the fixtures.
const SEED: u64 = 7;

/// A file of `models/tests/fixtures/checkpoints`, made by `tests/reference/checkpoint_fixtures.py`.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/checkpoints").join(name)
}

fn open(name: &str) -> NamedTensors {
    NamedTensors::open(&fixture(name)).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Holds the tensor `name` against the formula's of `formula_name`, bit for bit.
fn assert_formula(tensors: &NamedTensors, name: &str, formula_name: &str) {
    let shape = tensors.shape(name).unwrap();
    let expected = formula::fill(SEED, formula_name, shape);
    assert_eq!(bits(&tensors.get(name, shape).unwrap()), bits(&expected), "{name}");
}
