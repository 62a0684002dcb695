//! The language model against transformers' LlamaForCausalLM on formula weights.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use mien_models::llama::{
    LayerSet, Llama, LlamaConfig, LlamaRequirement, LlamaSettings, SpmVocabulary, Stop, parameters, write_gguf,
};
use mien_models::tensor::{NamedTensors, Tensor};
use mien_tests::{Golden, golden_files, number, relative_difference};

/// End of text in the vocabulary that the test writes; the reference goes on after it.
const EOS: i32 = 2;

#[test]
fn hidden_states_and_generated_ids_equal_pytorch() {
    for (path, golden) in golden_files(Golden::Llama) {
        compare(&path, &golden);
    }
}

fn floats(golden: &NamedTensors, name: &str) -> Vec<f32> {
    golden.get(name, golden.shape(name).unwrap()).unwrap().into_owned()
}

fn ids(golden: &NamedTensors, name: &str) -> Vec<i32> {
    let ids = golden.integers(name, golden.shape(name).unwrap()).unwrap();
    ids.into_iter().map(|id| id.try_into().unwrap()).collect()
}

fn model(golden: &NamedTensors, config: &LlamaConfig) -> Llama {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("llama.gguf");
    let tensors = NamedTensors::formula(number(golden, "seed"), &parameters(config));
    let vocabulary = SpmVocabulary::tiny(config.vocab_size).unwrap();
    write_gguf(&path, config, &vocabulary, &tensors, "formula llama").unwrap();
    let settings = LlamaSettings { n_threads: 1, n_ctx: 256, n_batch: 64, ..Default::default() };
    let requirement =
        LlamaRequirement { block_count: Some(config.layers), ..LlamaRequirement::width(config.hidden_size) };
    // The file stays mapped after its folder is gone.
    Llama::load(&path, &requirement, &settings).unwrap()
}

fn compare(path: &Path, golden: &NamedTensors) {
    let config = LlamaConfig {
        vocab_size: number(golden, "vocab"),
        hidden_size: number(golden, "d"),
        intermediate_size: number(golden, "ff"),
        layers: number(golden, "layers"),
        heads: number(golden, "heads"),
        kv_heads: number(golden, "heads"),
        rms_norm_eps: number(golden, "eps"),
        rope_theta: number(golden, "theta"),
        context_length: 512,
    };
    let mut model = model(golden, &config);
    let hold = |what: &str, found: &[f32], expected: &[f32]| {
        let error = relative_difference(found, expected);
        println!("{}: {what}: {error:.1e} of its largest value", path.display());
        assert!(error <= 1e-4, "{what}: {error:e} of its largest value");
    };

    let tokens = ids(golden, "tokens.ids");
    for k in config.layers - 3..=config.layers {
        let states = model.text_states(&tokens, &LayerSet::single(k as i64, config.layers).unwrap()).unwrap();
        let name = format!("tokens.h.{k}");
        hold(&name, states.data(), &floats(golden, &name));
    }
    let sum = model.text_states(&tokens, &LayerSet::last_four(config.layers).unwrap()).unwrap();
    hold("tokens.sum_last_four", sum.data(), &floats(golden, "tokens.sum_last_four"));

    let embeds = floats(golden, "audio.embeds");
    let audio = Tensor::new([embeds.len() / config.hidden_size, config.hidden_size], embeds).unwrap();
    let expected = ids(golden, "audio.generated_ids");
    let hidden = floats(golden, "audio.hidden");
    let fourth = LayerSet::single(-4, config.layers).unwrap();
    // One token more, for the last one of a generation that ends at its limit has no row.
    let limit = expected.len() + 1;
    let text = model.simulate_with_tokens(&audio, &ids(golden, "audio.prompt_ids"), &fourth, limit).unwrap();
    let ended = expected.iter().position(|&id| id == EOS);
    assert_eq!(text.stopped, if ended.is_some() { Stop::EndOfText } else { Stop::Limit });
    let rows = ended.unwrap_or(expected.len());
    assert_eq!(text.tokens[..rows], expected[..rows]);
    hold("audio.hidden", text.states.data(), &hidden[..rows * config.hidden_size]);
}
