//! The language model through llama.cpp: laws of sequences, files, and refusals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod edit;
mod files;
mod floats;
mod parts;
mod quantised;
mod refusals;
mod sequences;

use std::path::{Path, PathBuf};

use mien_models::llama::{
    CachePrecision, Llama, LlamaConfig, LlamaRequirement, LlamaSettings, SpmVocabulary, parameters, write_gguf,
};
use mien_models::tensor::NamedTensors;

/// A llama small enough to be loaded thousands of times.
pub(crate) fn small() -> LlamaConfig {
    LlamaConfig {
        vocab_size: 320,
        hidden_size: 32,
        intermediate_size: 48,
        layers: 4,
        heads: 4,
        kv_heads: 2,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        context_length: 512,
    }
}

/// Writes a formula llama into `folder`.
pub(crate) fn write(folder: &Path, config: &LlamaConfig, seed: u64) -> PathBuf {
    let path = folder.join("llama.gguf");
    let vocabulary = SpmVocabulary::tiny(config.vocab_size).unwrap();
    let tensors = NamedTensors::formula(seed, &parameters(config));
    write_gguf(&path, config, &vocabulary, &tensors, "formula llama").unwrap();
    path
}

pub(crate) fn settings(n_ctx: usize, n_batch: usize) -> LlamaSettings {
    LlamaSettings { n_threads: 1, n_ctx, n_batch, gpu_layers: 0, cache: CachePrecision::F32 }
}

/// A loaded formula llama, with the folder that holds its file.
pub(crate) fn load(config: &LlamaConfig, settings: &LlamaSettings) -> (Llama, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), config, 7);
    let model = Llama::load(&path, &LlamaRequirement::width(config.hidden_size), settings).unwrap();
    (model, folder)
}

/// Largest difference, relative to the largest value of `expected`.
pub(crate) fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0, |m, v| f64::max(m, f64::from(v.abs())));
    let error = found.iter().zip(expected).fold(0.0, |m, (a, b)| f64::max(m, f64::from((a - b).abs())));
    error / largest
}
