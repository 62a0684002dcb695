//! A quantised language model against the one that it was made of.

use std::path::Path;

use mien_models::llama::{GgufHeader, LayerSet, Llama, LlamaRequirement, LlamaSettings, MetaValue};
use mien_models::tensor::Tensor;

use crate::{Result, Similarity};

/// Compares the representation of `text` (the sum of the last four hidden states, all rows) by two GGUF files of one
/// architecture; one of them is in memory at a time.
///
/// # Errors
/// Model; [`crate::QuantizeError::Unequal`] for files of different models.
pub fn compare(float: &Path, quantised: &Path, text: &str, threads: usize) -> Result<Similarity> {
    let (expected, found) = (states(float, text, threads)?, states(quantised, text, threads)?);
    let mut similarity = Similarity::default();
    similarity.add("hidden states", expected.data(), found.data())?;
    Ok(similarity)
}

fn states(path: &Path, text: &str, threads: usize) -> Result<Tensor> {
    let width = match GgufHeader::read(path)?.get("llama.embedding_length") {
        Some(MetaValue::U32(width)) => *width as usize,
        _ => 0,
    };
    // The text alone is run, so the context is as long as that.
    let positions = (text.len() + 2).clamp(16, 2048);
    let settings =
        LlamaSettings { n_threads: threads, n_ctx: positions, n_batch: positions.min(512), ..Default::default() };
    let mut llama = Llama::load(path, &LlamaRequirement::width(width), &settings)?;
    let layers = LayerSet::last_four(llama.layers())?;
    Ok(llama.real_text(text, &layers, true)?)
}
