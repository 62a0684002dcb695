//! Sizes from tensors, held against the library's `config.json`.

use std::path::Path;

use mien_models::tensor::{NamedTensors, TensorSpec};
use mien_models::wavlm::{self, LibraryConfig, WavlmConfig};
use serde_json::{Value, json};

use super::{SEED, fixture};

fn formula(config: &WavlmConfig) -> NamedTensors {
    NamedTensors::formula(SEED, &wavlm::parameters(config))
}

/// The fixture's `config.json` with changes.
fn library(folder: &Path, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> LibraryConfig {
    let text = std::fs::read_to_string(fixture("wavlm/zip/config.json")).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    change(value.as_object_mut().unwrap());
    let path = folder.join("config.json");
    std::fs::write(&path, value.to_string()).unwrap();
    LibraryConfig::open(&path).unwrap()
}

#[test]
fn the_published_sizes_are_read_off_the_tensors() {
    let large = WavlmConfig::large();
    let (config, tensors) = wavlm::read(formula(&large), None).unwrap();
    assert_eq!((config, tensors.len()), (large, 488));
}

#[test]
fn a_position_table_of_another_size_needs_the_librarys_file() {
    let error = wavlm::read(formula(&WavlmConfig::tiny()), None).unwrap_err().to_string();
    assert!(error.contains("32 buckets") && error.contains("config.json"), "{error}");
}

#[test]
fn a_file_of_another_network_is_refused_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let mini = || NamedTensors::open(&fixture("wavlm/zip/pytorch_model.bin")).unwrap();
    for (key, value, expected) in [
        ("hidden_size", json!(1024), "16"),
        ("num_hidden_layers", json!(24), "1"),
        ("num_attention_heads", json!(16), "2"),
        ("num_buckets", json!(320), "8"),
        ("do_stable_layer_norm", json!(false), "true"),
        ("feat_extract_norm", json!("group"), "\"layer\""),
        ("conv_bias", json!(true), "false"),
        ("conv_dim", json!([512, 512]), "[8,8,8,8,8,8,8]"),
        ("model_type", json!("hubert"), "\"wavlm\""),
        ("max_bucket_distance", json!("far"), "800"),
        ("layer_norm_eps", json!("small"), "0.00001"),
    ] {
        let library = library(folder.path(), |keys| drop(keys.insert(key.into(), value.clone())));
        let error = wavlm::read(mini(), Some(&library)).unwrap_err().to_string();
        for part in ["config.json", &format!("{key} is "), &format!("expected {expected}")] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(!error.contains('\n'), "{error}");
    }
    // A key that is not there has the library's default, which is that of the base network.
    let without = library(folder.path(), |keys| drop(keys.remove("do_stable_layer_norm")));
    assert!(wavlm::read(mini(), Some(&without)).unwrap_err().to_string().contains("do_stable_layer_norm is false"));
    let without = library(folder.path(), |keys| drop(keys.remove("conv_stride")));
    wavlm::read(mini(), Some(&without)).unwrap();
}

#[test]
fn what_is_no_configuration_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    for (text, expected) in [("[1]", "no JSON object"), ("{\"a\":", "no JSON"), ("<html>", "no JSON"), ("", "no JSON")]
    {
        std::fs::write(&path, text).unwrap();
        let error = LibraryConfig::open(&path).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("config.json"), "{error}");
    }
    std::fs::write(&path, vec![b' '; 2 << 20]).unwrap();
    assert!(LibraryConfig::open(&path).unwrap_err().to_string().contains("at most"));
}

#[test]
fn the_base_network_is_named() {
    let specs: Vec<TensorSpec> = wavlm::parameters(&WavlmConfig::large())
        .into_iter()
        .filter(|s| (1..7).all(|i| !s.name.contains(&format!("conv_layers.{i}.layer_norm"))))
        .collect();
    let error = wavlm::read(NamedTensors::formula(SEED, &specs), None).unwrap_err().to_string();
    assert!(error.contains("WavLM-Base") && error.contains("take WavLM-Large"), "{error}");
}
