//! A language model of Vicuna-7B's sizes with formula weights: a file to measure with, which knows no word.
//!
//! usage: true_llm OUT.gguf TYPE
//!
//! TYPE is q4_0, q4_k_m or q8_0; llama.cpp makes it out of a file in f16, which lies beside OUT meanwhile (13.5 GB).

// How far it is goes beside the one line of result.
#![allow(clippy::print_stderr)]

use std::path::Path;

use anyhow::{Result, bail};
use mien_models::llama::{
    LlamaConfig, Precision, QuantisedType, SpmVocabulary, parameters, quantise_gguf, write_gguf_as,
};
use mien_models::tensor::NamedTensors;

/// Seed of the weights.
const SEED: u64 = 3;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [out, kind] = args.as_slice() else { bail!("usage: true_llm OUT.gguf TYPE") };
    let (out, kind) = (Path::new(out), kind.parse::<QuantisedType>().map_err(anyhow::Error::msg)?);
    let config = LlamaConfig {
        vocab_size: 32_000,
        hidden_size: 4096,
        intermediate_size: 11_008,
        layers: 32,
        heads: 32,
        kv_heads: 32,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        context_length: 4096,
    };
    let float = out.with_extension("f16.gguf");
    let tensors = NamedTensors::formula(SEED, &parameters(&config));
    let vocabulary = SpmVocabulary::tiny(config.vocab_size)?;
    eprintln!("writing {}", float.display());
    write_gguf_as(&float, &config, &vocabulary, &tensors, "7B shape, formula weights", Precision::F16)?;
    eprintln!("making {} of it", out.display());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let made = quantise_gguf(&float, out, kind, threads);
    std::fs::remove_file(&float)?;
    let made = made?;
    println!("{}: {kind}, {} bytes of {}; tensors {:?}", out.display(), made.bytes, made.bytes_before, made.elements);
    Ok(())
}
