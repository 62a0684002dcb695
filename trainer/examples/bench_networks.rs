//! Times training steps of small networks on formula data; prints milliseconds as one JSON line.
//!
//! usage: bench_networks llama HIDDEN LAYERS SENTENCES TOKENS
//!        bench_networks wavlm HIDDEN LAYERS CHANNELS CLIPS SECONDS
//!        bench_networks manet WIDTH FACES
//!        bench_networks projector ENCODER_WIDTH HIDDEN LAYERS CLIPS FRAMES
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Instant;

use burn::tensor::{DType, Device};
use mien_models::llama::LlamaConfig;
use mien_models::manet::{FACE_CHANNELS, FACE_SIDE, ManetConfig};
use mien_models::projector::ProjectorConfig;
use mien_models::tensor::formula;
use mien_models::wavlm::{WavlmConfig, waveform};
use mien_trainer::networks::{Llama, Manet, Mode, Projector, Prompted, Recogniser};
use mien_trainer::train::{
    Faces, LlamaStage, ManetStage, Optimiser, Plan, ProjectorStage, Ramp, RecogniserStage, Spoken, Stage, train_stage,
};

const STEPS: u64 = 6;

fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(f64::NAN) / 1e6
}

/// The middle of the times of all steps but the first.
fn time<S: Stage>(mut stage: S, batch: impl Fn(u64) -> S::Batch) {
    let plan = Plan {
        optimiser: Optimiser::default(),
        ramp: Ramp { warmup: 2, steps: STEPS, floor: 0.1 },
        longest_gradient: 1.0,
        checkpoint_every: STEPS,
        digest: String::new(),
    };
    let numbers: usize = stage.parameters().specs().iter().map(|spec| spec.shape.iter().product::<usize>()).sum();
    let folder = tempfile::tempdir().unwrap();
    let (mut begins, mut ends) = (Vec::new(), Vec::new());
    let mut made = |step| {
        let batch = batch(step);
        begins.push(Instant::now());
        Ok(batch)
    };
    train_stage(&mut stage, &plan, folder.path(), &mut made, &mut |_, _| ends.push(Instant::now())).unwrap();
    // The last step writes a checkpoint.
    let mut steps: Vec<f64> = begins.iter().zip(&ends).map(|(a, b)| (*b - *a).as_secs_f64() * 1e3).collect();
    steps.pop();
    steps.remove(0);
    steps.sort_by(f64::total_cmp);
    println!(
        "{{\"stage\": \"{}\", \"parameters\": {numbers}, \"step_ms\": {:.0}, \"peak_gb\": {:.2}}}",
        stage.name(),
        steps[steps.len() / 2],
        peak()
    );
}

fn llama(hidden_size: usize, layers: usize) -> LlamaConfig {
    LlamaConfig {
        vocab_size: 420,
        hidden_size,
        intermediate_size: hidden_size * 8 / 3 / 32 * 32,
        layers,
        heads: 4,
        kv_heads: 4,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        context_length: 512,
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let n = |i: usize| -> usize { arguments.get(i).expect("a number").parse().expect("a number") };
    let device = Device::flex().autodiff();
    match arguments.first().map(String::as_str) {
        Some("llama") => {
            let config = llama(n(1), n(2));
            let weights = Llama::initial(&config, 1).unwrap();
            let llama = Llama::new(&config, &weights, Mode::Learns, &device, DType::F32).unwrap();
            let (sentences, tokens) = (n(3), n(4));
            time(LlamaStage { llama, padding: 0 }, |_| {
                (0..sentences).map(|i| (0..tokens).map(|t| ((i * 31 + t * 17) % 420) as u32).collect()).collect()
            });
        }
        Some("wavlm") => {
            let (hidden, layers, conv_channels, clips, seconds) = (n(1), n(2), n(3), n(4), n(5));
            let config = WavlmConfig {
                hidden,
                layers,
                heads: 4,
                intermediate: 2 * hidden,
                conv_channels,
                conv_pos_kernel: 32,
                conv_pos_groups: 4,
                buckets: 64,
                max_distance: 160,
                layer_norm_eps: 1e-5,
            };
            let weights = Recogniser::initial(&config, 30, 1).unwrap();
            let recogniser = Recogniser::new(&config, 30, &weights, Mode::Learns, &device, DType::F32).unwrap();
            time(RecogniserStage { recogniser }, |step| Spoken {
                waveforms: (0..clips)
                    .map(|i| formula::fill(step, &format!("input.{i}"), &[seconds * 16_000, 1]))
                    .map(|samples| waveform::prepare(&samples).unwrap())
                    .collect(),
                targets: (0..clips).map(|i| (0..24).map(|k| 1 + ((i * 7 + k * 5) % 29) as u32).collect()).collect(),
            });
        }
        Some("manet") => {
            let (config, faces) = (ManetConfig { width: n(1), classes: 7 }, n(2));
            let weights = Manet::initial(&config, 1).unwrap();
            let manet = Manet::new(&config, &weights, Mode::Learns, &device, DType::F32).unwrap();
            time(ManetStage { manet }, |step| Faces {
                pixels: formula::fill(step, "input.face", &[faces, FACE_CHANNELS, FACE_SIDE, FACE_SIDE]),
                classes: (0..faces).map(|i| i as u32 % 7).collect(),
            });
        }
        Some("projector") => {
            let (encoder_width, hidden, layers, clips, frames) = (n(1), n(2), n(3), n(4), n(5));
            let config = llama(hidden, layers);
            let weights = Llama::initial(&config, 1).unwrap();
            let llama = Llama::new(&config, &weights, Mode::Frozen, &device, DType::F32).unwrap();
            let config = ProjectorConfig { k: 5, encoder_width, hidden: 2 * hidden, llm_width: hidden };
            let weights = Projector::initial(&config, 1).unwrap();
            let projector = Projector::new(&config, &weights, Mode::Learns, &device, DType::F32).unwrap();
            time(ProjectorStage { projector, llama }, |step| Prompted {
                frames: (0..clips)
                    .map(|i| formula::fill(step, &format!("input.{i}"), &[frames, encoder_width]))
                    .collect(),
                prompt: (0..60).map(|i| 1 + i * 3).collect(),
                transcripts: (0..clips).map(|i| (0..16).map(|k| ((i * 31 + k * 17) % 420) as u32).collect()).collect(),
            });
        }
        _ => println!("usage: bench_networks llama|wavlm|manet|projector SIZES"),
    }
}
