//! WavLM and the projector against PyTorch's numbers and against laws that hold for any weights.
//!
//! Every WavLM file of the golden folder (`MIEN_GOLDEN`, default: the project's own) is checked; seed, length and size are
//! read from its metadata.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;

use mien_models::ModelError;
use mien_models::engine::{Input, LoadedGraph};
use mien_models::projector::{self, Projector, ProjectorConfig};
use mien_models::tensor::{NamedTensors, Tensor, TensorSpec, formula};
use mien_models::wavlm::{self, Wavlm, WavlmConfig, WavlmFeatures, WavlmSession, waveform};
use mien_tests::{Golden, golden_files, relative_difference};

/// Largest difference to the reference, relative to the tensor's largest value.
const TOLERANCE: f64 = 1e-4;

/// The reference scripts' utterance: the formula's noise at a tenth of full scale.
fn utterance(seed: u64, samples: usize) -> Vec<f32> {
    formula::fill(seed, "input.waveform", &[1, samples]).into_iter().map(|v| 0.1 * v).collect()
}

/// Tiny WavLM with formula weights, giving the stream after layer 2.
fn tiny_session(tensors: &NamedTensors, folder: &Path) -> WavlmSession {
    let path = folder.join("wavlm.onnx");
    wavlm::build(&WavlmConfig::tiny(), tensors, &[2], &path).unwrap();
    Wavlm::load(&path, &WavlmConfig::tiny(), 2).unwrap().session().unwrap()
}

fn tiny_formula() -> NamedTensors {
    NamedTensors::formula(3, &wavlm::parameters(&WavlmConfig::tiny()))
}

/// All tensors of `tensors` under other names; `None` leaves one out.
fn renamed(tensors: &NamedTensors, rename: impl Fn(&str) -> Option<String>) -> NamedTensors {
    let entries = tensors.names().filter_map(|name| {
        let shape = tensors.shape(name)?;
        let values = tensors.get(name, shape).unwrap().into_owned();
        Some((rename(name)?, Tensor::new(shape, values).unwrap()))
    });
    NamedTensors::from_tensors("renamed.safetensors", entries.collect::<Vec<_>>())
}

#[test]
fn golden_states_are_reproduced() {
    for (path, golden) in golden_files(Golden::Wavlm) {
        check_golden(&path.file_name().unwrap().to_string_lossy(), &golden);
    }
}

fn check_golden(name: &str, golden: &NamedTensors) {
    let meta =
        |key: &str| golden.metadata().get(key).unwrap_or_else(|| panic!("{name}: no {key} in the metadata")).clone();
    let (seed, samples): (u64, usize) = (meta("seed").parse().unwrap(), meta("samples").parse().unwrap());
    let config = match meta("size").as_str() {
        "tiny" => WavlmConfig::tiny(),
        "large" => WavlmConfig::large(),
        other => panic!("{name}: size {other}"),
    };
    let frames = config.frames(samples);
    assert_eq!(meta("frames").parse(), Ok(frames), "{name}: number of frames");
    let specs = wavlm::parameters(&config);
    if !meta("names").is_empty() {
        let theirs: BTreeMap<String, Vec<usize>> =
            serde_json::from_str::<Vec<(String, Vec<usize>)>>(&meta("names")).unwrap().into_iter().collect();
        let ours = specs.iter().map(|s| (s.name.clone(), s.shape.clone())).collect();
        assert_eq!(theirs, ours, "{name}: names and shapes");
    }
    let taps: Vec<usize> = (0..=config.layers).filter(|k| golden.contains(&format!("hidden.{k}"))).collect();
    let folder = tempfile::tempdir().unwrap();
    let graph = folder.path().join("wavlm.onnx");
    wavlm::build(&config, &NamedTensors::formula(seed, &specs), &taps, &graph).unwrap();
    let contract = wavlm::contract(&config, &taps);
    let outputs: Vec<_> = contract.outputs.iter().map(|o| o.name.to_string()).collect();
    let mut session = LoadedGraph::load(&graph, contract).unwrap().prepare().unwrap().session().unwrap();
    let wave = waveform::prepare(&utterance(seed, samples)).unwrap();
    let states = session.run(&[Input::F32(&[1, wave.len()], &wave)]).unwrap();
    assert_eq!(outputs.len(), golden.len(), "{name}: every tensor has its output");
    for (output, state) in outputs.iter().zip(states) {
        assert_eq!(state.shape(), [frames, config.hidden]);
        let shape = golden.shape(output).unwrap_or_else(|| panic!("{name}: no {output}"));
        let expected = golden.get(output, shape).unwrap();
        let found = if shape[0] == frames { state.into_data() } else { ends(&state, shape[0] / 2) };
        let error = relative_difference(&found, &expected);
        println!("{name:24} {output:10} {shape:?}: relative error {error:.1e}");
        assert!(error <= TOLERANCE, "{name}: {output} differs by {error:.1e} of its largest value");
    }
}

/// The first and last `count` rows.
fn ends(state: &Tensor, count: usize) -> Vec<f32> {
    let rows = state.rows();
    (0..count).chain(rows - count..rows).flat_map(|i| state.row(i).unwrap().to_vec()).collect()
}

#[test]
fn samples_that_fill_no_frame_change_nothing_but_the_level() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = tiny_session(&tiny_formula(), folder.path());
    let wave = utterance(5, 400 + 320 * 9);
    let expected = session.run(&wave).unwrap();
    assert_eq!(expected.audio.shape(), [10, 64]);
    // A pair at one standard deviation around the mean leaves mean and variance as they are.
    let count = wave.len() as f64;
    let mean = wave.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let deviation = (wave.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count).sqrt();
    for pairs in [1, 80, 159] {
        let mut longer = wave.clone();
        longer.extend((0..pairs).flat_map(|_| [(mean + deviation) as f32, (mean - deviation) as f32]));
        let found = session.run(&longer).unwrap();
        assert!(relative_difference(found.audio.data(), expected.audio.data()) < 1e-5, "{pairs} pairs");
        assert!(relative_difference(found.last.data(), expected.last.data()) < 1e-5, "{pairs} pairs");
    }
    let mut next = wave.clone();
    next.extend([0.0; 320]);
    assert_eq!(session.run(&next).unwrap().audio.shape(), [11, 64]);
}

#[test]
fn level_and_offset_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = tiny_session(&tiny_formula(), folder.path());
    let wave = utterance(5, 4000);
    let expected = session.run(&wave).unwrap();
    let louder: Vec<f32> = wave.iter().map(|v| 4.0 * v + 0.5).collect();
    assert!(relative_difference(session.run(&louder).unwrap().last.data(), expected.last.data()) < 1e-3);
}

#[test]
fn any_length_runs_in_one_session_and_repeats_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = tiny_session(&tiny_formula(), folder.path());
    let config = WavlmConfig::tiny();
    let mut first: Vec<WavlmFeatures> = Vec::new();
    let lengths = [1, 399, 400, 720, 1040, 16_001, 48_000];
    for samples in lengths {
        let features = session.run(&utterance(9, samples)).unwrap();
        assert_eq!(features.audio.shape(), [config.frames(samples), config.hidden], "{samples} samples");
        assert_eq!(features.last.shape(), features.audio.shape());
        first.push(features);
    }
    for (samples, features) in lengths.into_iter().zip(first).rev() {
        assert_eq!(session.run(&utterance(9, samples)).unwrap(), features, "{samples} samples");
    }
}

#[test]
fn bad_sound_is_refused_and_the_session_survives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wavlm.onnx");
    wavlm::build(&WavlmConfig::tiny(), &tiny_formula(), &[2], &path).unwrap();
    let prepared = Wavlm::load(&path, &WavlmConfig::tiny(), 2).unwrap().with_longest_seconds(0.5);
    let mut session = prepared.session().unwrap();
    let wave = utterance(4, 8000);
    let expected = session.run(&wave).unwrap();
    let mut broken = wave.clone();
    broken[77] = f32::NAN;
    assert!(matches!(session.run(&broken), Err(ModelError::NotFinite { index: 77, .. })));
    assert!(matches!(session.run(&[]), Err(ModelError::Contract { .. })));
    let refused = session.run(&utterance(4, 8001)).unwrap_err().to_string();
    assert!(refused.contains("at most 0.5 s") && refused.contains("8001 samples"), "{refused}");
    assert_eq!(session.run(&wave).unwrap(), expected);
    let mut nothing = prepared.with_longest_seconds(f64::NAN).session().unwrap();
    assert!(matches!(nothing.run(&wave), Err(ModelError::Contract { .. })));
}

#[test]
fn a_graph_of_another_size_or_layer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wavlm.onnx");
    wavlm::build(&WavlmConfig::tiny(), &tiny_formula(), &[2], &path).unwrap();
    let load = |config: &WavlmConfig, layer: usize| Wavlm::load(&path, config, layer).err().unwrap().to_string();
    assert!(load(&WavlmConfig::tiny(), 3).contains("hidden.3"));
    assert!(load(&WavlmConfig::tiny(), 5).contains("0 to 4"));
    assert!(load(&WavlmConfig { hidden: 128, ..WavlmConfig::tiny() }, 2).contains("[?, 128]"));
    let twice = wavlm::build(&WavlmConfig::tiny(), &tiny_formula(), &[2, 2], &path).unwrap_err().to_string();
    assert!(twice.contains("[2, 2]"), "{twice}");
}

#[test]
fn every_published_spelling_gives_the_same_features() {
    let config = WavlmConfig::tiny();
    let tensors = tiny_formula();
    let wave = utterance(6, 4000);
    let folder = tempfile::tempdir().unwrap();
    let expected = tiny_session(&tensors, folder.path()).run(&wave).unwrap();

    let with_head = {
        let mut entries: Vec<(String, Tensor)> = Vec::new();
        for name in tensors.names().filter(|&n| n != "masked_spec_embed") {
            let shape = tensors.shape(name).unwrap();
            let old = name
                .replace("parametrizations.weight.original0", "weight_g")
                .replace("parametrizations.weight.original1", "weight_v");
            let values = tensors.get(name, shape).unwrap().into_owned();
            entries.push((format!("wavlm.{old}"), Tensor::new(shape, values).unwrap()));
        }
        entries.push(("classifier.weight".into(), Tensor::zeros([2, 64])));
        NamedTensors::from_tensors("with_head.bin", entries)
    };
    let recognised = wavlm::recognise(&config, with_head).unwrap();
    assert_eq!(tiny_session(&recognised, folder.path()).run(&wave).unwrap(), expected);

    // The product as a naive loop over the definition: g V / |V| per kernel position.
    let conv = "encoder.pos_conv_embed.conv";
    let norms = tensors.get(&format!("{conv}.parametrizations.weight.original0"), &[1, 1, 16]).unwrap();
    let directions = tensors.get(&format!("{conv}.parametrizations.weight.original1"), &[64, 16, 16]).unwrap();
    let mut product = vec![0.0; 64 * 16 * 16];
    for k in 0..16 {
        let norm = (0..64 * 16).map(|i| f64::from(directions[i * 16 + k]).powi(2)).sum::<f64>().sqrt();
        for i in 0..64 * 16 {
            product[i * 16 + k] = (f64::from(norms[k]) * f64::from(directions[i * 16 + k]) / norm) as f32;
        }
    }
    let rest = renamed(&tensors, |n| (!n.contains("parametrizations")).then(|| n.into()));
    let mut entries = vec![(format!("{conv}.weight"), Tensor::new([64, 16, 16], product).unwrap())];
    for name in rest.names() {
        let shape = rest.shape(name).unwrap();
        entries.push((name.into(), Tensor::new(shape, rest.get(name, shape).unwrap().into_owned()).unwrap()));
    }
    let recognised = wavlm::recognise(&config, NamedTensors::from_tensors("converted.bin", entries)).unwrap();
    let found = tiny_session(&recognised, folder.path()).run(&wave).unwrap();
    assert!(relative_difference(found.last.data(), expected.last.data()) < 1e-5);
}

#[test]
fn checkpoints_of_other_networks_are_refused_by_name() {
    let config = WavlmConfig::tiny();
    let tensors = tiny_formula();
    let refused = |tensors| wavlm::recognise(&config, tensors).unwrap_err();
    let gone = "encoder.layers.3.final_layer_norm.bias";
    let missing = refused(renamed(&tensors, |n| (n != gone).then(|| n.into())));
    assert!(matches!(&missing, ModelError::MissingTensor { key, expected, .. } if key == gone && expected == &[64]));
    let extra = refused(renamed(&tensors, |n| Some(if n == "masked_spec_embed" { "lm_head.bias" } else { n }.into())));
    assert!(matches!(&extra, ModelError::ExtraTensor { key, found, .. } if key == "lm_head.bias" && found == &[64]));
    let wider = NamedTensors::formula(3, &wavlm::parameters(&WavlmConfig { intermediate: 96, ..config.clone() }));
    let misshapen = refused(wider);
    assert!(
        matches!(&misshapen, ModelError::TensorShape { key, expected, found, .. }
            if key.contains("intermediate_dense.weight") && expected == &[128, 64] && found == &[96, 64]),
        "{misshapen}"
    );
    let original =
        renamed(&tensors, |n| Some(n.replace("attention.", "self_attn.").replace("gru_rel_pos_linear", "grep_linear")));
    let original = refused(original).to_string();
    assert!(original.contains("original WavLM release") && original.contains("transformers"), "{original}");
}

#[test]
fn projector_equals_a_loop_over_its_definition() {
    let config = ProjectorConfig { k: 5, encoder_width: 6, hidden: 7, llm_width: 11 };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("projector.onnx");
    let tensors = NamedTensors::formula(2, &projector::parameters(&config));
    projector::build(&config, &tensors, &path).unwrap();
    let mut runner = Projector::load(&path, &config).unwrap();
    let get = |name: &str, shape: &[usize]| tensors.get(name, shape).unwrap().into_owned();
    let (w1, b1) = (get("linear1.weight", &[7, 30]), get("linear1.bias", &[7]));
    let (w2, b2) = (get("linear2.weight", &[11, 7]), get("linear2.bias", &[11]));
    for frames in [1, 4, 5, 9, 10, 23] {
        let last = Tensor::new([frames, 6], formula::fill(2, "input.last", &[frames, 6])).unwrap();
        let rows = runner.run(&last).unwrap();
        assert_eq!(rows.shape(), [frames / 5, 11], "{frames} frames");
        for n in 0..frames / 5 {
            let x: Vec<f64> = (0..30).map(|i| f64::from(last.row(5 * n + i / 6).unwrap()[i % 6])).collect();
            let inner: Vec<f64> = (0..7)
                .map(|o| f64::from(b1[o]) + (0..30).map(|i| f64::from(w1[o * 30 + i]) * x[i]).sum::<f64>())
                .map(|v| v.max(0.0))
                .collect();
            for o in 0..11 {
                let expected = f64::from(b2[o]) + (0..7).map(|i| f64::from(w2[o * 7 + i]) * inner[i]).sum::<f64>();
                assert!((f64::from(rows.row(n).unwrap()[o]) - expected).abs() < 1e-5, "{frames} frames, row {n}, {o}");
            }
        }
    }
    let narrow = runner.run(&Tensor::zeros([10, 5])).unwrap_err().to_string();
    assert!(narrow.contains("[?, 6]") && narrow.contains("[10, 5]"), "{narrow}");
}

#[test]
fn projector_is_taken_out_of_a_joint_checkpoint() {
    let config = ProjectorConfig { k: 5, encoder_width: 6, hidden: 7, llm_width: 11 };
    let mut specs: Vec<TensorSpec> = projector::parameters(&config)
        .into_iter()
        .map(|s| TensorSpec::required(format!("encoder_projector.{}", s.name), s.shape))
        .collect();
    specs.push(TensorSpec::required("llm.lora_A.weight", [8, 11]));
    let taken = projector::recognise(&config, NamedTensors::formula(1, &specs)).unwrap();
    assert_eq!(taken.names().collect::<Vec<_>>(), ["linear1.bias", "linear1.weight", "linear2.bias", "linear2.weight"]);

    let hubert = ProjectorConfig { encoder_width: 1280, ..config.clone() };
    let refused = projector::recognise(&config, NamedTensors::formula(1, &projector::parameters(&hubert)));
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("HuBERT") && refused.contains("6400") && refused.contains("expected 30"), "{refused}");
    let other = ProjectorConfig { llm_width: 12, ..config.clone() };
    let refused = projector::recognise(&config, NamedTensors::formula(1, &projector::parameters(&other))).unwrap_err();
    assert!(matches!(refused, ModelError::TensorShape { .. }), "{refused}");
}
