//! The networks before the fusion: values against PyTorch's and the device's, slopes against differences.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod llama;
mod manet;
mod projector;
mod slopes;
mod wavlm;

use std::path::Path;

use burn::tensor::Tensor;
use mien_models::tensor::{NamedTensors, Tensor as Plain, formula};

/// A file of the project's golden outputs.
fn golden(name: &str) -> NamedTensors {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    NamedTensors::open(&project.join("tests/golden").join(name)).unwrap()
}

/// A number of a golden file's metadata.
fn number<T: std::str::FromStr>(golden: &NamedTensors, key: &str) -> T {
    golden.metadata()[key].parse().ok().unwrap()
}

fn floats(golden: &NamedTensors, name: &str) -> Vec<f32> {
    golden.get(name, golden.shape(name).unwrap()).unwrap().into_owned()
}

fn tokens(golden: &NamedTensors, name: &str) -> Vec<u32> {
    golden.integers(name, golden.shape(name).unwrap()).unwrap().into_iter().map(|id| id as u32).collect()
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.inner().try_into_vec_as::<f32>().unwrap()
}

/// Rows of a state, as the device has them.
fn plain(x: Tensor<2>) -> Plain {
    let shape = x.dims();
    Plain::new(shape, numbers(x)).unwrap()
}

/// The largest difference as a share of the largest expected number.
fn apart(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0f64, |m, v| m.max(f64::from(v.abs())));
    let worst = found.iter().zip(expected).fold(0f64, |m, (a, b)| m.max(f64::from((a - b).abs())));
    assert!(worst.is_finite() && largest > 0.0);
    worst / largest
}

/// Holds `found` to a share of the largest expected number.
fn near(what: &str, found: &[f32], expected: &[f32], share: f64) {
    let apart = apart(found, expected);
    println!("{what}: {apart:.1e} of the largest");
    assert!(apart <= share, "{what}: {apart:e} of the largest");
}

/// Formula numbers in [-1, 1).
fn fill(seed: u64, name: &str, n: usize) -> Vec<f32> {
    formula::fill(seed, &format!("input.{name}"), &[n, 1])
}

/// Formula samples at a tenth of full scale, prepared as the network takes them.
fn wave(seed: u64, samples: usize) -> Vec<f32> {
    let samples: Vec<f32> = formula::fill(seed, "input.waveform", &[1, samples]).into_iter().map(|v| 0.1 * v).collect();
    mien_models::wavlm::waveform::prepare(&samples).unwrap()
}
