//! Named tensors: formula weights, safetensors and PyTorch files, and what happens to damaged or hostile ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod checks;
mod crafted;
mod crafted_legacy;
mod damage;
mod formula_weights;
mod rows;
mod shared;
mod torch_files;
mod writing;

use std::path::PathBuf;

use mien_models::ModelError;
use mien_models::tensor::NamedTensors;

/// A file of `models/tests/fixtures`, made by the scripts in `tests/reference`.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn open(name: &str) -> NamedTensors {
    NamedTensors::open(&fixture(name)).unwrap()
}

/// All elements of a float tensor, whatever its shape.
fn values(tensors: &NamedTensors, name: &str) -> Vec<f32> {
    tensors.get(name, tensors.shape(name).unwrap()).unwrap().into_owned()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// The message of a refusal; every message is one line.
fn message(error: &ModelError) -> String {
    let text = error.to_string();
    assert!(!text.contains(['\n', '\r', '\u{1b}']), "{text:?}");
    text
}
