//! Training the networks before the fusion: they learn, and an interrupted run ends in the same bits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{DType, Device};
use mien_models::llama::LlamaConfig;
use mien_models::manet::{FACE_CHANNELS, FACE_SIDE, ManetConfig};
use mien_models::projector::ProjectorConfig;
use mien_models::tensor::formula;
use mien_models::wavlm::WavlmConfig;
use mien_trainer::TrainerError;
use mien_trainer::networks::objective::greedy;
use mien_trainer::networks::{Llama, Manet, Mode, Norms, Projector, Prompted, Recogniser};
use mien_trainer::train::{
    Faces, LlamaStage, ManetStage, Optimiser, Plan, ProjectorStage, Ramp, RecogniserStage, Spoken, Stage, train_stage,
};

fn device() -> Device {
    Device::flex().autodiff()
}

fn llama() -> LlamaConfig {
    LlamaConfig {
        vocab_size: 16,
        hidden_size: 16,
        intermediate_size: 32,
        layers: 2,
        heads: 2,
        kv_heads: 2,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        context_length: 64,
    }
}

fn plan(rate: f64, steps: u64) -> Plan {
    Plan {
        optimiser: Optimiser { rate, weight_decay: 0.0, ..Optimiser::default() },
        ramp: Ramp { warmup: 5, steps, floor: 0.1 },
        longest_gradient: 1.0,
        checkpoint_every: 7,
        digest: "test".into(),
    }
}

/// Sentences whose every token says which follows: three letters go round.
fn sentence(step: u64, i: u64) -> Vec<u32> {
    let begin = (step + i) % 3;
    let body = (0..3 + (step * 5 + i) % 4).map(|k| 3 + ((begin + k) % 3) as u32);
    [1].into_iter().chain(body).chain([2]).collect()
}

fn sentences(step: u64) -> Vec<Vec<u32>> {
    (0..6).map(|i| sentence(step, i)).collect()
}

fn llama_stage() -> LlamaStage {
    let config = llama();
    let weights = Llama::initial(&config, 7).unwrap();
    LlamaStage { llama: Llama::new(&config, &weights, Mode::Learns, &device(), DType::F32).unwrap(), padding: 0 }
}

fn train<S: Stage>(stage: &mut S, plan: &Plan, folder: &Path, batch: impl Fn(u64) -> S::Batch) -> Vec<f64> {
    let mut losses = Vec::new();
    train_stage(stage, plan, folder, &mut |step| Ok(batch(step)), &mut |_, loss| losses.push(loss)).unwrap();
    losses
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn an_interrupted_run_ends_in_the_same_bits() {
    let plan = plan(5e-3, 40);
    let whole = tempfile::tempdir().unwrap();
    let expected = train(&mut llama_stage(), &plan, whole.path(), sentences);
    let broken = tempfile::tempdir().unwrap();
    let mut losses: BTreeMap<u64, f64> = BTreeMap::new();
    for stop in [3, 10, 13, 20, 36, 99] {
        let mut stage = llama_stage();
        let mut batch = |step| match step < stop {
            true => Ok(sentences(step)),
            false => Err(TrainerError::corpus("test", "the power went out")),
        };
        let ended = train_stage(&mut stage, &plan, broken.path(), &mut batch, &mut |step, loss| {
            // What is done again after a stop is the same again.
            assert_eq!(*losses.entry(step).or_insert(loss), loss, "step {step}");
        });
        assert_eq!(ended.is_ok(), stop > 40);
    }
    assert_eq!(losses.into_values().collect::<Vec<_>>(), expected);
    let (found, expected) = (files(broken.path()), files(whole.path()));
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    assert!(found.keys().any(|name| name == "step-0000000040/weights.safetensors"), "{:?}", found.keys());
    assert!(found == expected);
    // A run that is over stays as it is.
    assert!(train(&mut llama_stage(), &plan, whole.path(), sentences).is_empty());
}

#[test]
fn another_plan_and_settings_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let begun = plan(5e-3, 7);
    train(&mut llama_stage(), &begun, folder.path(), sentences);
    let refused = |plan: &Plan| {
        train_stage(&mut llama_stage(), plan, folder.path(), &mut |step| Ok(sentences(step)), &mut |_, _| ())
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&Plan { digest: "other".into(), ..begun.clone() }).contains("other"));
    assert!(refused(&Plan { checkpoint_every: 0, ..begun.clone() }).contains("checkpoint_every"));
    assert!(refused(&Plan { longest_gradient: f64::NAN, ..begun.clone() }).contains("longest_gradient"));
    assert!(refused(&plan(f64::INFINITY, 7)).contains("optimiser.rate"));
}

/// After training, the only uncertain token of a sentence is its first, its length included.
#[test]
fn a_llama_learns_a_grammar() {
    let folder = tempfile::tempdir().unwrap();
    let losses = train(&mut llama_stage(), &plan(1e-2, 150), folder.path(), sentences);
    let end = losses[140..].iter().sum::<f64>() / 10.0;
    println!("{:.3} to {end:.3}", losses[0]);
    // ln 16 at first. A uniform first token costs ln 3 of about six tokens, the end at most ln 2 at each after three.
    assert!(losses[0] > 2.5 && end < 0.7, "{} to {end}", losses[0]);
}

/// Three tones, each a label.
fn tones(seed: u64, labels: &[u32]) -> Vec<f32> {
    let noise = formula::fill(seed, "input.noise", &[labels.len() * 1600 + 400, 1]);
    let wave: Vec<f32> = noise
        .iter()
        .enumerate()
        .map(|(i, noise)| {
            let label = labels[(i / 1600).min(labels.len() - 1)];
            (i as f32 * 0.12 * (label as f32 + 0.5)).sin() + 0.05 * noise
        })
        .collect();
    mien_models::wavlm::waveform::prepare(&wave).unwrap()
}

#[test]
fn wavlm_learns_to_read_tones() {
    let config = WavlmConfig {
        hidden: 32,
        layers: 1,
        heads: 2,
        intermediate: 32,
        conv_channels: 16,
        conv_pos_kernel: 8,
        ..WavlmConfig::tiny()
    };
    let weights = Recogniser::initial(&config, 4, 3).unwrap();
    let recogniser = Recogniser::new(&config, 4, &weights, Mode::Learns, &device(), DType::F32).unwrap();
    let mut stage = RecogniserStage { recogniser };
    let texts: [&[u32]; 8] = [&[1], &[2], &[3], &[1, 2], &[3, 1], &[2, 3, 2], &[1, 3, 2], &[3, 2, 1]];
    let batch = |step: u64| Spoken {
        waveforms: texts.iter().enumerate().map(|(i, text)| tones(step * 8 + i as u64, text)).collect(),
        targets: texts.iter().map(|text| text.to_vec()).collect(),
    };
    let folder = tempfile::tempdir().unwrap();
    let losses = train(&mut stage, &plan(4e-3, 120), folder.path(), batch);
    println!("{:.3} to {:.3}", losses[0], losses.last().unwrap());
    // The same words under noise that it never heard, all in one padded batch.
    let (scores, frames) = stage.recogniser.scores(&batch(9999).waveforms).unwrap();
    let longest = frames.iter().max().unwrap();
    let scores = scores.inner().try_into_vec_as::<f32>().unwrap();
    for ((scores, frames), text) in scores.chunks(longest * 4).zip(&frames).zip(texts) {
        assert_eq!(greedy(&scores[..frames * 4], 4), text);
    }
    // What goes to the device is WavLM alone.
    let tensors = stage.wavlm().unwrap();
    mien_models::wavlm::recognise(&config, tensors).unwrap();
}

#[test]
fn manet_learns_faces_and_keeps_running_averages() {
    let config = ManetConfig { width: 4, classes: 2 };
    let weights = Manet::initial(&config, 3).unwrap();
    let mut stage = ManetStage { manet: Manet::new(&config, &weights, Mode::Learns, &device(), DType::F32).unwrap() };
    // Bright above or bright below.
    let batch = |step: u64| {
        let shape = [4, FACE_CHANNELS, FACE_SIDE, FACE_SIDE];
        let mut pixels = formula::fill(step, "input.face", &shape);
        for (i, pixel) in pixels.iter_mut().enumerate() {
            let (face, upper) = (i / (3 * FACE_SIDE * FACE_SIDE), i / FACE_SIDE % FACE_SIDE < FACE_SIDE / 2);
            *pixel = 0.5 + 0.2 * *pixel + if (face % 2 == 0) == upper { 0.2 } else { -0.2 };
        }
        Faces { pixels, classes: vec![0, 1, 0, 1] }
    };
    let folder = tempfile::tempdir().unwrap();
    let losses = train(&mut stage, &plan(5e-3, 30), folder.path(), batch);
    println!("{:.3} to {:.3}", losses[0], losses.last().unwrap());
    // As the device computes: with the running averages, faces that were never learnt from.
    let states = stage.manet.states(&batch(1000).pixels, Norms::Running).unwrap();
    for logits in [states.logits_1, states.logits_2] {
        let logits = logits.inner().try_into_vec_as::<f32>().unwrap();
        let classes: Vec<bool> = logits.chunks(2).map(|row| row[1] > row[0]).collect();
        assert_eq!(classes, [false, true, false, true]);
    }
}

#[test]
fn a_projector_learns_to_dictate_to_a_frozen_llama() {
    let folder = tempfile::tempdir().unwrap();
    let mut speaker = llama_stage();
    train(&mut speaker, &plan(1e-2, 100), &folder.path().join("llama"), sentences);
    let weights = speaker.llama.parameters().named().unwrap();
    let frozen = Llama::new(&llama(), &weights, Mode::Frozen, &device(), DType::F32).unwrap();
    let config = ProjectorConfig { k: 5, encoder_width: 4, hidden: 32, llm_width: 16 };
    let first = Projector::initial(&config, 5).unwrap();
    let projector = Projector::new(&config, &first, Mode::Learns, &device(), DType::F32).unwrap();
    let mut stage = ProjectorStage { projector, llama: frozen };
    // The sound says with which letter the sentence begins.
    let batch = |step: u64| {
        let transcript = |i: u64| sentence(step, i)[1..].to_vec();
        let sound = |i: u64| {
            let letter = transcript(i)[0] as usize - 3;
            let noise = formula::fill(step, &format!("input.{i}"), &[10, 4]);
            noise.iter().enumerate().map(|(n, v)| 0.2 * v + f32::from(u8::from(n % 4 == letter))).collect()
        };
        Prompted {
            frames: (0..6).map(sound).collect(),
            prompt: vec![1, 9, 10],
            transcripts: (0..6).map(transcript).collect(),
        }
    };
    let losses = train(&mut stage, &plan(1e-2, 150), &folder.path().join("projector"), batch);
    let end = losses[140..].iter().sum::<f64>() / 10.0;
    println!("{:.3} to {end:.3}", losses[0]);
    // Without sound the first letter costs ln 3 of about six tokens, and cannot cost less.
    assert!(end < 0.6 * losses[0] && end < 0.6, "{} to {end}", losses[0]);
    // The language model is as it was.
    assert_eq!(stage.llama.parameters().values().unwrap(), speaker.llama.parameters().values().unwrap());
}
