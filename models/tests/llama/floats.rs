//! Weights read back out of GGUF files.

use std::fs;

use mien_models::ModelError;
use mien_models::llama::{
    Llama, LlamaConfig, LlamaRequirement, Precision, QuantisedType, SpmVocabulary, parameters, quantise_gguf,
    read_gguf, write_gguf_as,
};
use mien_models::tensor::NamedTensors;

use crate::edit::Edit;
use crate::{settings, small, write};

fn bits(tensors: &NamedTensors, name: &str, shape: &[usize]) -> Vec<u32> {
    tensors.get(name, shape).unwrap().iter().map(|value| value.to_bits()).collect()
}

#[test]
fn what_was_written_comes_back_bit_for_bit_under_its_names() {
    let folder = tempfile::tempdir().unwrap();
    // One key head for two query heads, and heads of another width.
    for config in [small(), LlamaConfig { heads: 2, kv_heads: 1, rope_theta: 5e5, rms_norm_eps: 1e-6, ..small() }] {
        let (found, tensors) = read_gguf(&write(folder.path(), &config, 7)).unwrap();
        assert_eq!(found, config);
        let specs = parameters(&config);
        tensors.check("llama", &specs).unwrap();
        let expected = NamedTensors::formula(7, &specs);
        for spec in &specs {
            assert_eq!(
                bits(&tensors, &spec.name, &spec.shape),
                bits(&expected, &spec.name, &spec.shape),
                "{}",
                spec.name
            );
        }
    }
}

#[test]
fn half_precision_comes_back_rounded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.gguf");
    let (config, specs) = (small(), parameters(&small()));
    let written = NamedTensors::formula(7, &specs);
    write_gguf_as(&path, &config, &SpmVocabulary::tiny(320).unwrap(), &written, "half", Precision::F16).unwrap();
    let (_, tensors) = read_gguf(&path).unwrap();
    for spec in &specs {
        let expected = written.get(&spec.name, &spec.shape).unwrap();
        let found = tensors.get(&spec.name, &spec.shape).unwrap();
        let rounded: Vec<f32> = match spec.shape.len() {
            1 => expected.to_vec(),
            _ => expected.iter().map(|value| half::f16::from_f32(*value).to_f32()).collect(),
        };
        assert_eq!(found.as_ref(), rounded, "{}", spec.name);
    }
}

/// A file whose output shares the embedding's weights has none of its own; llama.cpp and the reader take the embedding.
#[test]
fn a_shared_output_is_the_embedding() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &small(), 7);
    let mut bytes = fs::read(&path).unwrap();
    // The output is the last tensor of the list: name, number of axes, two axes, type, offset.
    let mut name = 13u64.to_le_bytes().to_vec();
    name.extend(b"output.weight");
    let begin = bytes.windows(name.len()).position(|w| w == name).unwrap();
    let weights = (begin + name.len() + 4 + 16 + 4 + 8).next_multiple_of(32);
    let mut shorter = bytes[..begin].to_vec();
    shorter.resize(begin.next_multiple_of(32), 0);
    shorter.extend(bytes.drain(weights..));
    let count = u64::from_le_bytes(shorter[8..16].try_into().unwrap());
    shorter[8..16].copy_from_slice(&(count - 1).to_le_bytes());
    fs::write(&path, shorter).unwrap();
    let (config, tensors) = read_gguf(&path).unwrap();
    assert_eq!(config, small());
    let table = [320, 32];
    let output = bits(&tensors, "lm_head.weight", &table);
    assert_eq!(output, bits(&tensors, "model.embed_tokens.weight", &table));
    Llama::load(&path, &LlamaRequirement::width(32), &settings(64, 64)).unwrap();
}

#[test]
fn files_that_are_no_plain_float_llama_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = LlamaConfig { hidden_size: 256, intermediate_size: 512, ..small() };
    let path = write(folder.path(), &config, 7);
    let small_one = folder.path().join("q8_0.gguf");
    quantise_gguf(&path, &small_one, QuantisedType::Q8_0, 1).unwrap();
    let error = read_gguf(&small_one).unwrap_err();
    let told = error.to_string();
    assert!(matches!(error, ModelError::Gguf { .. }) && told.contains("Q8_0"), "{told}");
    assert!(told.contains("give the float file that it was made of"), "{told}");

    let bytes = fs::read(&path).unwrap();
    let edited = |edit: Edit| {
        let path = folder.path().join("edited.gguf");
        fs::write(&path, edit.0).unwrap();
        read_gguf(&path).unwrap_err().to_string()
    };
    let foreign = edited(Edit(bytes.clone()).text("general.architecture", b"llama", b"qwen2"));
    assert!(foreign.contains("general.architecture"), "{foreign}");
    let width = edited(Edit(bytes.clone()).kind("llama.embedding_length", 5));
    assert!(width.contains("llama.embedding_length"), "{width}");
    let cut = edited(Edit(bytes[..bytes.len() - 1].to_vec()));
    assert!(cut.contains("cut short"), "{cut}");
    assert!(read_gguf(&folder.path().join("none.gguf")).is_err());

    // A number that is none is found when the tensor is asked for.
    let mut damaged = bytes;
    let last = damaged.len() - 4;
    damaged[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, damaged).unwrap();
    let (_, tensors) = read_gguf(&path).unwrap();
    let error = tensors.get("lm_head.weight", &[320, 256]).unwrap_err();
    assert!(matches!(error, ModelError::NotFinite { .. }), "{error}");
}
