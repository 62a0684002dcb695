//! What the stages wrote, in the device's own networks.

use burn::tensor::{DType, Device, Tensor, TensorData};
use mien_capture::{SampleRate, file, to_rate};
use mien_models::face::{
    CropSettings, FaceFinder, FaceSettings, FaceTracker, TrackSettings, crop_face, detector_model,
};
use mien_models::llama::{LayerSet, Llama as LlamaOnDevice, LlamaRequirement, LlamaSettings};
use mien_models::manet::{self, ManetConfig};
use mien_models::projector::{self, ProjectorConfig};
use mien_models::tensor::{NamedTensors, Tensor as Plain};
use mien_models::wavlm::{self, LibraryConfig, waveform};
use mien_trainer::data::Split;
use mien_trainer::networks::{Llama, Manet, Mode, Norms, Projector, Wavlm};
use mien_trainer::pocket::clips::Clips;
use mien_trainer::pocket::language::{PROMPT, Vocabulary};

use super::material::{corpus, hearing, language, projection, seeing, trained};

fn opened(name: &str) -> NamedTensors {
    NamedTensors::open(&trained().join(name)).unwrap()
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.try_into_vec_as::<f32>().unwrap()
}

/// Holds `found` to a share of the largest expected number.
fn near(what: &str, found: &[f32], expected: &[f32], share: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0f64, |m, v| m.max(f64::from(v.abs())));
    let worst = found.iter().zip(expected).fold(0f64, |m, (a, b)| m.max(f64::from((a - b).abs())));
    println!("{what}: {:.1e} of the largest", worst / largest);
    assert!(largest > 0.0 && worst <= share * largest, "{what}: {worst:e} of {largest:e}");
}

#[test]
fn the_llama_reads_and_counts_as_in_training() {
    let vocabulary = Vocabulary::new().unwrap();
    let config = language().config(&vocabulary);
    let settings = LlamaSettings { n_threads: 1, n_ctx: 1024, n_batch: 64, ..Default::default() };
    let requirement = LlamaRequirement::width(config.hidden_size);
    let mut device = LlamaOnDevice::load(&trained().join("llama/llm.gguf"), &requirement, &settings).unwrap();
    let clips = Clips::open(corpus()).unwrap();
    let said: Vec<&str> = clips.of(Split::Train).into_iter().map(|clip| clip.transcript.as_str()).collect();
    let others = ["", "the", PROMPT, "The robots' garden,  isn't 3 wonderfully", " theé\n\tthe", "▁the there▁"];
    for text in said.iter().chain(&others) {
        let found: Vec<u32> = device.tokenize(text).unwrap().into_iter().map(i32::cast_unsigned).collect();
        assert_eq!(found[1..], vocabulary.encode(text), "{text:?}");
    }
    let llama = Llama::new(&config, &opened("llama/llama.safetensors"), Mode::Frozen, &Device::flex(), DType::F32);
    let llama = llama.unwrap();
    let tokens: Vec<u32> = [vocabulary.prompt(), vocabulary.sentence(said[0])].concat();
    let states = llama.states(llama.embed(&tokens).unwrap(), 1).unwrap();
    let ids: Vec<i32> = tokens.iter().map(|token| token.cast_signed()).collect();
    let expected = device.text_states(&ids, &LayerSet::single(-1, config.layers).unwrap()).unwrap();
    near("last state", &numbers(states.last), expected.data(), 1e-4);
}

#[test]
fn wavlm_and_the_projector_give_the_same_rows() {
    let library = LibraryConfig::open(&trained().join("wavlm/config.json")).unwrap();
    let (config, tensors) = wavlm::read(opened("wavlm/wavlm.safetensors"), Some(&library)).unwrap();
    assert_eq!(config, hearing().sizes);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wavlm.onnx");
    wavlm::build_fused(&config, &tensors, &[1], &path).unwrap();
    let mut session = wavlm::Wavlm::load(&path, &config, 1).unwrap().session().unwrap();
    let clips = Clips::open(corpus()).unwrap();
    let sound = file::open(&clips.of(Split::Valid)[0].path).unwrap().audio.unwrap();
    let samples = to_rate(sound, SampleRate::HZ_16000).unwrap().into_samples();
    let expected = session.run(&samples).unwrap();
    let wavlm = Wavlm::new(&config, &tensors, Mode::Frozen, &Device::flex(), DType::F32).unwrap();
    let states = wavlm.states(&[waveform::prepare(&samples).unwrap()]).unwrap();
    near("audio rows", &numbers(states.hidden[1].clone()), expected.audio.data(), 1e-4);
    near("last layer", &numbers(states.last), expected.last.data(), 1e-4);

    let settings = projection();
    let config = ProjectorConfig {
        k: settings.k,
        encoder_width: config.hidden,
        hidden: settings.hidden,
        llm_width: settings.language.hidden,
    };
    let tensors = opened("projector/projector.safetensors");
    let path = folder.path().join("projector.onnx");
    projector::build(&config, &tensors, &path).unwrap();
    let rows = projector::Projector::load(&path, &config).unwrap().run(&expected.last).unwrap();
    let trainer = Projector::new(&config, &tensors, Mode::Frozen, &Device::flex(), DType::F32).unwrap();
    let (count, width) = (rows.rows(), config.input_width());
    let used = expected.last.data()[..count * width].to_vec();
    let used: Tensor<2> = Tensor::from_data(TensorData::new(used, [count, width]), &Device::flex());
    near("projected rows", &numbers(trainer.rows(used).unwrap()), rows.data(), 1e-4);
}

#[test]
fn manet_sees_the_same_in_a_face() {
    let config = ManetConfig::of(&opened("manet/manet.safetensors")).unwrap();
    assert_eq!(config, ManetConfig { width: seeing().width, classes: 7 });
    let tensors = opened("manet/manet.safetensors");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manet.onnx");
    manet::build_fused(&config, &tensors, &path).unwrap();
    let clips = Clips::open(corpus()).unwrap();
    let pictures = file::open(&clips.of(Split::Valid)[0].path).unwrap().pictures.unwrap();
    let finder = FaceFinder::from_bytes(detector_model().bytes, FaceSettings::default()).unwrap();
    let mut tracker = FaceTracker::new(finder, TrackSettings::default()).unwrap();
    let frame = pictures.frames().next().unwrap().unwrap();
    let face = tracker.observe(&frame).expect("the finder finds the faces of the pocket world");
    let crop = crop_face(&frame, &face, &CropSettings::default()).unwrap();
    let trainer = Manet::new(&config, &tensors, Mode::Frozen, &Device::flex(), DType::F32).unwrap();
    let states = trainer.states(crop.data(), Norms::Running).unwrap();
    let batch: Plain = crop.reshaped([1, 3, 224, 224]).unwrap();
    let expected = manet::Manet::load(&path, &config).unwrap().run(&batch).unwrap();
    near("embedding", &numbers(states.embedding), expected.embedding.data(), 1e-4);
    near("local scores", &numbers(states.logits_1), expected.logits_1.data(), 1e-4);
    near("global scores", &numbers(states.logits_2), expected.logits_2.data(), 1e-4);
}
