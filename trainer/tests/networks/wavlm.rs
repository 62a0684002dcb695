//! WavLM against transformers and the device, alone and in padded batches.

use burn::tensor::{DType, Device, Tensor};
use mien_models::tensor::NamedTensors;
use mien_models::wavlm::{Wavlm as OnDevice, WavlmConfig, build, parameters};
use mien_trainer::networks::objective::ctc;
use mien_trainer::networks::{Mode, Parameters, Wavlm};

use super::{floats, golden, near, number, numbers, plain, slopes, wave};

fn network(config: &WavlmConfig, tensors: &NamedTensors, dtype: DType) -> Wavlm {
    Wavlm::new(config, tensors, Mode::Learns, &Device::flex().autodiff(), dtype).unwrap()
}

fn small() -> WavlmConfig {
    WavlmConfig {
        hidden: 12,
        layers: 2,
        heads: 3,
        intermediate: 10,
        conv_channels: 4,
        conv_pos_kernel: 4,
        conv_pos_groups: 2,
        buckets: 8,
        max_distance: 5,
        layer_norm_eps: 1e-5,
    }
}

#[test]
fn states_are_those_of_transformers() {
    for file in ["wavlm_tiny.safetensors", "wavlm_tiny_2s.safetensors"] {
        let golden = golden(file);
        let (seed, samples): (u64, usize) = (number(&golden, "seed"), number(&golden, "samples"));
        let config = WavlmConfig::tiny();
        let wavlm = network(&config, &NamedTensors::formula(seed, &parameters(&config)), DType::F32);
        let states = wavlm.states(&[wave(seed, samples)]).unwrap();
        assert_eq!(states.frames, [config.frames(samples)]);
        for (k, state) in states.hidden.iter().enumerate() {
            let name = format!("hidden.{k}");
            near(&name, &numbers(state.clone()), &floats(&golden, &name), 1e-4);
        }
        assert_eq!(states.hidden.len(), config.layers + 1);
        near("last", &numbers(states.last), &floats(&golden, "last"), 1e-4);
    }
}

/// First values of a network that is to learn, through the file that the device loads.
#[test]
fn states_are_those_of_the_device() {
    let config = WavlmConfig { hidden: 48, heads: 3, conv_pos_kernel: 15, conv_pos_groups: 3, ..WavlmConfig::tiny() };
    let wavlm = network(&config, &Wavlm::initial(&config, 5).unwrap(), DType::F32);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wavlm.onnx");
    build(&config, &wavlm.parameters().named().unwrap(), &[3], &path).unwrap();
    let mut session = OnDevice::load(&path, &config, 3).unwrap().session().unwrap();
    let samples: Vec<f32> = super::fill(8, "waveform", 20_000).into_iter().map(|v| 0.1 * v).collect();
    let expected = session.run(&samples).unwrap();
    let prepared = mien_models::wavlm::waveform::prepare(&samples).unwrap();
    let states = wavlm.states(&[prepared]).unwrap();
    near("after layer 3", plain(states.hidden[3].clone()).data(), expected.audio.data(), 1e-4);
    near("last", plain(states.last).data(), expected.last.data(), 1e-4);
}

fn scores(wavlm: &Wavlm, clips: &[Vec<f32>]) -> (Tensor<2>, Vec<usize>) {
    let states = wavlm.states(clips).unwrap();
    // The first numbers of a frame as scores of five choices.
    (states.last.narrow(1, 0, 5), states.frames)
}

#[test]
fn a_clip_does_not_depend_on_its_padding() {
    let config = WavlmConfig::tiny();
    let wavlm = network(&config, &NamedTensors::formula(2, &parameters(&config)), DType::F32);
    let clips = [wave(1, 9000), wave(2, 16_000), wave(3, 400), wave(4, 3000)];
    let all = wavlm.states(&clips).unwrap();
    let longest = all.longest();
    for (i, clip) in clips.iter().enumerate() {
        let alone = wavlm.states(&[clip]).unwrap();
        let frames = alone.frames[0];
        assert_eq!(all.frames[i], frames);
        for (all, alone) in all.hidden.iter().chain([&all.last]).zip(alone.hidden.iter().chain([&alone.last])) {
            let found = all.clone().narrow(0, i * longest, frames);
            near("padded", &numbers(found), &numbers(alone.clone()), 1e-5);
        }
    }
    // The same for what it learns from: the batch's gradient is the mean of the clips'.
    let targets = [vec![1, 2, 3, 3], vec![4, 1, 2], vec![3], vec![2, 2]];
    let gradients = |clips: &[Vec<f32>], targets: &[Vec<u32>]| {
        let (scores, frames) = scores(&wavlm, clips);
        let loss = ctc(scores, &frames, targets).unwrap();
        wavlm.parameters().gradients::<f64>(&mut loss.backward()).unwrap()
    };
    let together = gradients(&clips, &targets);
    let alone: Vec<_> = (0..4).map(|i| gradients(&clips[i..=i], &targets[i..=i])).collect();
    let whole = together.values().flatten().map(|g| g * g).sum::<f64>().sqrt();
    for (name, together) in &together {
        let apart = together
            .iter()
            .enumerate()
            .map(|(i, g)| (g - alone.iter().map(|alone| alone[name][i]).sum::<f64>() / 4.0).powi(2))
            .sum::<f64>()
            .sqrt();
        assert!(apart <= 1e-5 * whole, "{name}: {:e} of the whole gradient", apart / whole);
    }
}

#[test]
fn slopes_are_those_of_differences() {
    let config = small();
    let tensors = NamedTensors::formula(4, &parameters(&config));
    let [exact, single] = [DType::F64, DType::F32].map(|dtype| network(&config, &tensors, dtype));
    let clips = [wave(1, 400 + 320 * 8), wave(2, 400 + 320 * 5)];
    let loss = |parameters: Parameters| {
        let (scores, frames) = scores(&exact.clone().with_parameters(parameters), &clips);
        ctc(scores, &frames, &[vec![1, 1, 3], vec![2, 4]]).unwrap()
    };
    let checked = slopes::check(exact.parameters(), single.parameters(), [1e-6, 1e-4], str::to_owned, loss);
    // Every tensor but the one that masks spectra in the original training.
    assert_eq!(checked, parameters(&config).len() - 1);
}

/// Frozen, on a device that keeps no gradients: what computes another network's input.
#[test]
fn a_frozen_network_gives_the_same() {
    let config = small();
    let tensors = Wavlm::initial(&config, 1).unwrap();
    let learning = network(&config, &tensors, DType::F32);
    let frozen = Wavlm::new(&config, &tensors, Mode::Frozen, &Device::flex(), DType::F32).unwrap();
    let clips = [wave(1, 3000), wave(2, 6000)];
    let [expected, found] = [&learning, &frozen].map(|wavlm| numbers(wavlm.states(&clips).unwrap().last));
    assert_eq!(found, expected);
}

#[test]
fn what_does_not_fit_is_refused() {
    let config = small();
    let wavlm = network(&config, &Wavlm::initial(&config, 1).unwrap(), DType::F32);
    let none: [Vec<f32>; 0] = [];
    assert!(wavlm.states(&none).unwrap_err().to_string().contains("at least 1"));
    for samples in [0, 399, 401, 719] {
        let error = wavlm.states(&[vec![0.0; 400], vec![0.0; samples]]).unwrap_err().to_string();
        assert!(error.contains("clip 1") && error.contains(&samples.to_string()), "{error}");
    }
    assert!(Wavlm::initial(&WavlmConfig { heads: 5, ..config }, 1).is_err());
}

#[test]
fn targets_that_cannot_be_are_refused() {
    let scores = || Tensor::<2>::zeros([6, 3], &Device::flex().autodiff());
    let refused = |frames: &[usize], targets: &[Vec<u32>]| ctc(scores(), frames, targets).unwrap_err().to_string();
    assert!(ctc(scores(), &[3, 2], &[vec![1, 1], vec![2]]).is_ok());
    assert!(refused(&[2, 2], &[vec![1, 1], vec![2]]).contains("clip 0"));
    assert!(refused(&[3, 4], &[vec![1], vec![2]]).contains("clip 1"));
    assert!(refused(&[3, 0], &[vec![1], vec![]]).contains("clip 1"));
    assert!(refused(&[3, 3], &[vec![1], vec![0]]).contains("1 to 2"));
    assert!(refused(&[3, 3], &[vec![3], vec![1]]).contains("1 to 2"));
    assert!(refused(&[3], &[vec![1], vec![2]]).contains("the number of clips"));
}
