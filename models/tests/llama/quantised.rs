//! Files that llama.cpp quantises, held against the ones that they are made of.

use std::fs;
use std::path::Path;

use mien_models::ModelError;
use mien_models::llama::{
    GgufHeader, LayerSet, Llama, LlamaConfig, LlamaRequirement, Precision, QuantisedType, SpmVocabulary, parameters,
    quantise_gguf, write_gguf_as,
};
use mien_models::tensor::NamedTensors;

use super::{settings, small, write};

/// Rows of 256 and 512: whole blocks of every type.
fn wide() -> LlamaConfig {
    LlamaConfig { hidden_size: 256, intermediate_size: 512, ..small() }
}

fn states(path: &Path, width: usize) -> Vec<f32> {
    let mut llama = Llama::load(path, &LlamaRequirement::width(width), &settings(64, 64)).unwrap();
    let layers = LayerSet::last_four(llama.layers()).unwrap();
    llama.real_text("a few words", &layers, true).unwrap().into_data()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn hidden_states_stay_close_by_the_bits_that_are_left() {
    let folder = tempfile::tempdir().unwrap();
    let input = write(folder.path(), &wide(), 7);
    let expected = states(&input, 256);
    let mut found = Vec::new();
    for kind in [QuantisedType::Q8_0, QuantisedType::Q4KM, QuantisedType::Q4_0] {
        let output = folder.path().join(format!("{kind}.gguf"));
        let made = quantise_gguf(&input, &output, kind, 2).unwrap();
        assert_eq!(made.bytes, fs::metadata(&output).unwrap().len());
        assert_eq!(made.bytes_before, fs::metadata(&input).unwrap().len());
        assert_eq!(made.elements.values().sum::<usize>(), GgufHeader::read(&input).unwrap().tensors().len());
        let name = match kind {
            QuantisedType::Q8_0 => "Q8_0",
            QuantisedType::Q4_0 => "Q4_0",
            QuantisedType::Q4KM => "Q4_K",
        };
        assert!(made.elements[name] > 10 && made.elements["F32"] == 9, "{made:?}");
        found.push((cosine(&states(&output, 256), &expected), made.bytes));
    }
    println!("cosine and bytes by q8_0, q4_k_m, q4_0: {found:?}");
    let [(q8, large), (k4, _), (q4, small)] = found[..] else { panic!("three types") };
    // Evenly spread weights, of which 4 bits keep 24 dB a matrix; trained ones are kinder.
    assert!(q8 > 0.999 && k4 > 0.95 && q4 > 0.93, "{found:?}");
    assert!(q8 > k4 && k4 > q4 && large > small);
    // Threads share rows, not sums.
    let again = folder.path().join("again.gguf");
    quantise_gguf(&input, &again, QuantisedType::Q4_0, 1).unwrap();
    assert!(fs::read(&again).unwrap() == fs::read(folder.path().join("q4_0.gguf")).unwrap());
}

#[test]
fn half_precision_is_taken_and_odd_rows_fall_back() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("half.gguf");
    // 32 and 48: the one is a whole block of 32, the other none.
    let config = small();
    let tensors = NamedTensors::formula(7, &parameters(&config));
    let vocabulary = SpmVocabulary::tiny(config.vocab_size).unwrap();
    write_gguf_as(&input, &config, &vocabulary, &tensors, "half", Precision::F16).unwrap();
    let output = folder.path().join("out.gguf");
    for kind in QuantisedType::ALL {
        let made = quantise_gguf(&input, &output, kind, 1).unwrap();
        assert_eq!(made.elements["F16"], config.layers, "ffn_down alone has rows of 48: {made:?}");
        let (close, least) =
            (cosine(&states(&output, 32), &states(&input, 32)), if kind == QuantisedType::Q8_0 { 0.999 } else { 0.8 });
        assert!(close > least, "{kind}: {close}");
    }
}

#[test]
fn what_cannot_be_quantised_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let input = write(folder.path(), &wide(), 7);
    let output = folder.path().join("out.gguf");
    let refused = |input: &Path, output: &Path| {
        let error = quantise_gguf(input, output, QuantisedType::Q4_0, 1).unwrap_err();
        let names = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let left: Vec<String> = names.filter(|name| name.starts_with('.') || name == "out.gguf").collect();
        assert!(left.is_empty(), "{left:?}");
        error
    };
    let other = folder.path().join("other.gguf");
    fs::write(&other, "no model").unwrap();
    assert!(matches!(refused(&other, &output), ModelError::Format { .. }));
    let whole = fs::read(&input).unwrap();
    fs::write(&other, &whole[..whole.len() - 1]).unwrap();
    assert!(refused(&other, &output).to_string().contains("cut short"));

    let quantised = folder.path().join("quantised.gguf");
    quantise_gguf(&input, &quantised, QuantisedType::Q8_0, 1).unwrap();
    let said = refused(&quantised, &output).to_string();
    assert!(said.contains("quantised already (Q8_0)") && said.contains("before it was quantised"), "{said}");

    let said = refused(&input, &input).to_string();
    assert!(said.contains("it is the file that is read"), "{said}");
    assert!(fs::read(&input).unwrap() == whole, "the original is as it was");

    // NaN among the last tensor's numbers.
    let mut damaged = whole;
    let at = damaged.len() - 8;
    damaged[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&other, &damaged).unwrap();
    assert!(matches!(refused(&other, &output), ModelError::NotFinite { .. }));
    assert!(matches!(refused(&input, &folder.path().join("no/out.gguf")), ModelError::Io { .. }));
}
