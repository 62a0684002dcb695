//! Networks of bytes against the float networks and PyTorch's numbers, and what they refuse.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;

use mien_models::manet::{self, FACE_CHANNELS, FACE_SIDE, Manet, ManetConfig};
use mien_models::tensor::{NamedTensors, Tensor, formula};
use mien_models::wavlm::{self, Wavlm, WavlmConfig, WavlmFeatures};
use mien_models::{ModelError, engine};
use mien_tests::{Golden, golden_files, number, relative_difference};

/// Small enough for quick tests; every kind of layer is there.
const SMALL: ManetConfig = ManetConfig { width: 8, classes: 5 };
/// The layer whose stream is given out.
const TAP: usize = 2;

fn wavlm_tensors() -> NamedTensors {
    NamedTensors::formula(3, &wavlm::parameters(&WavlmConfig::tiny()))
}

fn sound(samples: usize) -> Vec<f32> {
    formula::fill(5, "input.waveform", &[1, samples]).into_iter().map(|v| 0.1 * v).collect()
}

fn hear(path: &Path, samples: usize) -> WavlmFeatures {
    Wavlm::load(path, &WavlmConfig::tiny(), TAP).unwrap().session().unwrap().run(&sound(samples)).unwrap()
}

/// Cosine of the angle between two tensors.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// With every product in f32, what is left of our own operators must be what the plain graph computes.
#[test]
fn a_network_with_every_layer_in_floats_is_the_float_network() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, own) = (folder.path().join("plain.onnx"), folder.path().join("own.onnx"));
    let (config, tensors) = (WavlmConfig::tiny(), wavlm_tensors());
    wavlm::build(&config, &tensors, &[TAP], &plain).unwrap();
    wavlm::build_fused(&config, &tensors, &[TAP], &own).unwrap();
    // One frame, fewer and more frames than the position table reaches, and than a tile holds.
    for frames in [1, 7, 64, 65, 200] {
        let (expected, found) = (hear(&plain, 80 + 320 * frames), hear(&own, 80 + 320 * frames));
        for (expected, found) in [(&expected.audio, &found.audio), (&expected.last, &found.last)] {
            assert_eq!((expected.shape(), expected.rows()), (found.shape(), frames));
            let error = relative_difference(found.data(), expected.data());
            assert!(error <= 1e-5, "{frames} frames: {error:e}");
        }
    }
    let tensors = NamedTensors::formula(3, &manet::parameters(&SMALL));
    manet::build(&SMALL, &tensors, &plain).unwrap();
    manet::build_fused(&SMALL, &tensors, &own).unwrap();
    let faces = faces(3, 2);
    let [expected, found] = [&plain, &own].map(|path| Manet::load(path, &SMALL).unwrap().run(&faces).unwrap());
    for (expected, found) in [(&expected.embedding, &found.embedding), (&expected.logits_1, &found.logits_1)] {
        let error = relative_difference(found.data(), expected.data());
        assert!(error <= 1e-5, "{error:e}");
    }
}

fn faces(seed: u64, count: usize) -> Tensor {
    let shape = [count, FACE_CHANNELS, FACE_SIDE, FACE_SIDE];
    let pixels = formula::fill(seed, "input.face", &shape);
    Tensor::new(shape, pixels.into_iter().map(|v| 0.5 * v + 0.5).collect()).unwrap()
}

#[test]
fn bytes_stay_close_to_floats() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, bytes) = (folder.path().join("plain.onnx"), folder.path().join("bytes.onnx"));
    let (config, tensors) = (WavlmConfig::tiny(), wavlm_tensors());
    wavlm::build(&config, &tensors, &[TAP], &plain).unwrap();
    wavlm::build_quantised(&config, &tensors, &[TAP], &BTreeSet::new(), &bytes).unwrap();
    for samples in [400, 16_000, 50_000] {
        let (expected, found) = (hear(&plain, samples), hear(&bytes, samples));
        let close = cosine(expected.audio.data(), found.audio.data());
        println!("WavLM, {samples} samples: cosine {close:.6}");
        assert!(close > 0.998, "{samples}: {close}");
        assert_ne!(expected.audio, found.audio, "{samples}: bytes leave a trace");
    }
    let sizes = [&plain, &bytes].map(|path| std::fs::metadata(path.with_extension("weights")).unwrap().len());
    assert!(sizes[1] * 5 < sizes[0] * 3, "{sizes:?}");
}

/// PyTorch's numbers for the true sizes.
#[test]
fn at_true_size_bytes_stay_close_to_pytorch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bytes.onnx");
    for (file, golden) in golden_files(Golden::Manet) {
        let config = ManetConfig { classes: number(&golden, "classes"), ..ManetConfig::PUBLISHED };
        let seed: u64 = number(&golden, "seed");
        let tensors = NamedTensors::formula(seed, &manet::parameters(&config));
        manet::build_quantised(&config, &tensors, &BTreeSet::new(), &path).unwrap();
        let shape = [number(&golden, "batch"), FACE_CHANNELS, FACE_SIDE, FACE_SIDE];
        let faces = Tensor::new(shape, formula::fill(seed, "input.face", &shape)).unwrap();
        let found = Manet::load(&path, &config).unwrap().run(&faces).unwrap().embedding;
        let close = cosine(found.data(), &golden.get("embedding", found.shape()).unwrap());
        println!("{}: cosine {close:.6}", file.display());
        assert!(close > 0.9995, "{}: {close}", file.display());
    }
    for (file, golden) in golden_files(Golden::Wavlm) {
        if golden.metadata()["size"] != "large" {
            continue;
        }
        let config = WavlmConfig::large();
        let seed: u64 = number(&golden, "seed");
        let tensors = NamedTensors::formula(seed, &wavlm::parameters(&config));
        wavlm::build_quantised(&config, &tensors, &[20], &BTreeSet::new(), &path).unwrap();
        let wave: Vec<f32> = formula::fill(seed, "input.waveform", &[1, number(&golden, "samples")]);
        let wave: Vec<f32> = wave.into_iter().map(|v| 0.1 * v).collect();
        let found = Wavlm::load(&path, &config, 20).unwrap().session().unwrap().run(&wave).unwrap();
        for (name, found) in [("hidden.20", &found.audio), ("last", &found.last)] {
            let shape = golden.shape(name).unwrap();
            let rows = shape[0] / 2;
            let ends = (0..rows).chain(found.rows() - rows..found.rows());
            let kept: Vec<f32> = if shape[0] == found.rows() {
                found.data().to_vec()
            } else {
                ends.flat_map(|row| found.row(row).unwrap().to_vec()).collect()
            };
            let close = cosine(&kept, &golden.get(name, shape).unwrap());
            println!("{}: {name}, cosine {close:.6}", file.display());
            assert!(close > 0.999, "{}: {name}: {close}", file.display());
        }
    }
}

#[test]
fn every_layer_can_be_kept_and_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bytes.onnx");
    let (config, tensors) = (WavlmConfig::tiny(), wavlm_tensors());
    let layers = wavlm::byte_layers(&config);
    assert_eq!(layers.len(), 6 + 2 + 4 * config.layers);
    let heard = |floats: &BTreeSet<String>| {
        wavlm::build_quantised(&config, &tensors, &[TAP], floats, &path).unwrap();
        hear(&path, 16_000).last
    };
    let none = heard(&BTreeSet::new());
    for layer in &layers {
        assert_ne!(heard(&BTreeSet::from([layer.clone()])), none, "{layer}");
    }
    for (error, name) in [
        (wavlm::build_quantised(&config, &tensors, &[TAP], &BTreeSet::from(["encoder".into()]), &path), "encoder"),
        (manet::build_quantised(&SMALL, &tensors, &BTreeSet::from(["fc_1".into()]), &path), "fc_1"),
    ] {
        let error = error.unwrap_err();
        assert!(
            matches!(error, ModelError::Config { .. }) && error.to_string().contains(&format!("{name:?}")),
            "{error}"
        );
    }
}

#[test]
fn scores_do_not_depend_on_the_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bytes.onnx");
    wavlm::build_quantised(&WavlmConfig::tiny(), &wavlm_tensors(), &[TAP], &BTreeSet::new(), &path).unwrap();
    let alone = hear(&path, 30_000);
    engine::set_threads(3);
    let together = hear(&path, 30_000);
    engine::set_threads(1);
    assert_eq!(alone, together);
}

#[test]
fn damaged_weights_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bytes.onnx");
    let weights = path.with_extension("weights");
    wavlm::build_quantised(&WavlmConfig::tiny(), &wavlm_tensors(), &[TAP], &BTreeSet::new(), &path).unwrap();
    let whole = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    assert!(Wavlm::load(&path, &WavlmConfig::tiny(), TAP).is_err(), "half of the weights");
    // -128 has no counterpart, and no file of ours holds it.
    std::fs::write(&weights, vec![0x80; whole.len()]).unwrap();
    let error = Wavlm::load(&path, &WavlmConfig::tiny(), TAP).err().unwrap();
    assert!(matches!(error, ModelError::Engine { .. }), "{error}");
    std::fs::write(&weights, whole).unwrap();
    assert!(Wavlm::load(&path, &WavlmConfig::tiny(), TAP).is_ok());
}
