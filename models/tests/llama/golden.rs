//! Parity with transformers' LlamaForCausalLM on formula weights: every `llama*.safetensors` of the golden folder,
//! made by `golden_llama.py`. `MIEN_GOLDEN` names another folder.

use std::path::PathBuf;

use mien_models::llama::{LayerSet, Llama, LlamaConfig, LlamaRequirement, Stop};
use mien_models::tensor::Tensor;
use safetensors::SafeTensors;

use crate::{relative_error, settings, write};

fn golden_folder() -> PathBuf {
    match std::env::var_os("MIEN_GOLDEN") {
        Some(folder) => folder.into(),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden"),
    }
}

fn words<T>(file: &SafeTensors<'_>, name: &str, convert: impl Fn([u8; 4]) -> T) -> Vec<T> {
    let view = file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    view.data().as_chunks::<4>().0.iter().map(|w| convert(*w)).collect()
}

fn floats(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    words(file, name, f32::from_le_bytes)
}

fn ids(file: &SafeTensors<'_>, name: &str) -> Vec<i32> {
    words(file, name, i32::from_le_bytes)
}

#[test]
fn hidden_states_and_generated_ids_equal_pytorch() {
    let folder = golden_folder();
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("llama") && name.ends_with(".safetensors")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} holds no llama*.safetensors", folder.display());
    for file in files {
        compare(&file);
    }
}

fn compare(path: &std::path::Path) {
    let bytes = std::fs::read(path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().expect("golden file without metadata");
    let number = |key: &str| metadata[key].parse::<usize>().unwrap();
    let config = LlamaConfig {
        vocab_size: number("vocab"),
        hidden_size: number("d"),
        intermediate_size: number("ff"),
        layers: number("layers"),
        heads: number("heads"),
        kv_heads: number("heads"),
        rms_norm_eps: metadata["eps"].parse().unwrap(),
        rope_theta: metadata["theta"].parse().unwrap(),
        context_length: 512,
    };
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let gguf = write(folder.path(), &config, number("seed") as u64);
    let requirement =
        LlamaRequirement { block_count: Some(config.layers), ..LlamaRequirement::width(config.hidden_size) };
    let mut model = Llama::load(&gguf, &requirement, &settings(256, 64)).unwrap();
    let hold = |what: &str, found: &Tensor, expected: &[f32]| {
        let error = relative_error(found.data(), expected);
        println!("{}: {what}: {error:.2e}", path.display());
        assert!(error <= 1e-4, "{what}: relative error {error:.2e}");
    };

    let tokens = ids(&golden, "tokens.ids");
    for k in config.layers - 3..=config.layers {
        let states = model.text_states(&tokens, &LayerSet::single(k as i64, config.layers).unwrap()).unwrap();
        let name = format!("tokens.h.{k}");
        hold(&name, &states, &floats(&golden, &name));
    }
    let sum = model.text_states(&tokens, &LayerSet::last_four(config.layers).unwrap()).unwrap();
    hold("tokens.sum_last_four", &sum, &floats(&golden, "tokens.sum_last_four"));

    let embeds = floats(&golden, "audio.embeds");
    let audio = Tensor::new([embeds.len() / config.hidden_size, config.hidden_size], embeds).unwrap();
    let expected = ids(&golden, "audio.generated_ids");
    let fourth = LayerSet::single(-4, config.layers).unwrap();
    // One token more, for the last one of a generation that ends at its limit has no row.
    let limit = expected.len() + 1;
    let text = model.simulate_with_tokens(&audio, &ids(&golden, "audio.prompt_ids"), &fourth, limit).unwrap();
    assert_eq!(text.stopped, Stop::Limit);
    assert_eq!(text.tokens[..expected.len()], expected);
    hold("audio.hidden", &text.states, &floats(&golden, "audio.hidden"));
}
