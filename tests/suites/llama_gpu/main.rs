//! The language model on a GPU: against PyTorch, against the processor, and what is refused.
//!
//! Ignored, because they need a program that was built for GPUs and a GPU, or Mesa's pretended one:
//! `cargo xtask check-gpu` sees to both. Drivers are asked once in a process, so each test that hides or limits devices
//! runs a process of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../llama_golden/mod.rs"]
mod llama_golden;

use std::process::Command;

use llama_golden::{Case, close};
use mien_models::ModelError;
use mien_models::llama::{
    GPU_BACKENDS, Llama, LlamaConfig, LlamaRequirement, LlamaSettings, SpmVocabulary, gpu_devices, parameters,
    write_gguf,
};
use mien_models::tensor::NamedTensors;
use mien_tests::{Golden, golden_files};

/// Largest difference of a GPU's states from exact ones, of the largest value: its shaders multiply in f16.
const GPU_TOLERANCE: f64 = 5e-3;
/// Variable with the number of the device that is used, as the drivers count; 0 is the first one, real or pretended.
const DEVICE: &str = "MIEN_TEST_GPU";

/// Largest buffer, in bytes, of a device that is made to be small.
const LIMIT: usize = 1 << 20;

/// Runs the ignored test `name` in a process that sees `devices`, with `variables` besides.
fn in_process(name: &str, devices: &str, variables: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", name, "--nocapture", "--test-threads=1"]);
    command.env("GGML_VK_VISIBLE_DEVICES", devices).env("CUDA_VISIBLE_DEVICES", devices);
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{told}");
    assert!(output.status.success() && told.contains("1 passed"), "{name}: {}", output.status);
}

fn device() -> String {
    std::env::var(DEVICE).unwrap_or_else(|_| "0".into())
}

#[test]
#[ignore = "needs a GPU build: cargo xtask check-gpu"]
fn states_and_text_equal_pytorch_and_the_processor() {
    in_process("child::parity", &device(), &[]);
}

#[test]
#[ignore = "needs a GPU build: cargo xtask check-gpu"]
fn layers_without_a_gpu_are_refused() {
    in_process("child::no_device", "", &[]);
    // A number that no device has hides all of them, too.
    in_process("child::no_device", "99", &[]);
}

#[test]
#[ignore = "needs a GPU build: cargo xtask check-gpu"]
fn layers_that_land_elsewhere_are_refused() {
    // What is larger than the device takes at once stays on the processor, and llama.cpp says nothing of it.
    let limit = LIMIT.to_string();
    in_process("child::too_large", &device(), &[("GGML_VK_FORCE_MAX_BUFFER_SIZE", &limit)]);
}

/// Not tests of their own: the processes that the others start.
mod child {
    use super::*;

    #[test]
    #[ignore = "started by a test above"]
    fn parity() {
        assert!(!GPU_BACKENDS.is_empty(), "build with --features vulkan or cuda");
        println!("{:?}", gpu_devices());
        for (path, golden) in golden_files(Golden::Llama) {
            let case = Case::of(&golden);
            let processor = case.make(&mut case.load(0).unwrap());
            let blocks = case.load(0).unwrap().layers();
            // The output layer alone, some blocks with it, all, and more than there are.
            for asked in [1, blocks / 2 + 1, blocks, blocks + 1, 1000] {
                let mut model = case.load(asked as u32).unwrap();
                let landing = model.landing();
                assert_eq!((landing.on_gpu(), landing.layers()), (asked.min(blocks + 1), blocks + 1), "{landing}");
                let what = format!("{}: {landing}", path.display());
                let made = case.make(&mut model);
                case.hold(&what, &made, GPU_TOLERANCE);
                assert_eq!(made.text.tokens, processor.text.tokens, "{what}");
                for ((name, found), (_, expected)) in made.states.iter().zip(&processor.states) {
                    close(&format!("{what}: {name} against the processor"), found, expected, GPU_TOLERANCE);
                }
            }
        }
    }

    #[test]
    #[ignore = "started by a test above"]
    fn no_device() {
        assert!(!GPU_BACKENDS.is_empty(), "build with --features vulkan or cuda");
        assert_eq!(gpu_devices(), []);
        let (_, golden) = golden_files(Golden::Llama).into_iter().next().unwrap();
        let case = Case::of(&golden);
        // The processor alone needs no device.
        assert_eq!(case.load(0).unwrap().landing().on_gpu(), 0);
        let error = case.load(2).unwrap_err();
        println!("{error}");
        assert!(matches!(error, ModelError::Gpu { asked: 2, .. }), "{error}");
        assert!(error.to_string().contains("finds no GPU") && error.to_string().contains("VISIBLE_DEVICES"), "{error}");
    }

    #[test]
    #[ignore = "started by a test above"]
    fn too_large() {
        assert_ne!(gpu_devices(), []);
        let config = LlamaConfig {
            vocab_size: 8192,
            hidden_size: 64,
            intermediate_size: 96,
            layers: 4,
            heads: 4,
            kv_heads: 4,
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            context_length: 512,
        };
        // The output's weights are too large, and neither the blocks' nor their cache.
        assert!(config.vocab_size * config.hidden_size * 4 > LIMIT);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("llama.gguf");
        let tensors = NamedTensors::formula(7, &parameters(&config));
        let vocabulary = SpmVocabulary::tiny(config.vocab_size).unwrap();
        write_gguf(&path, &config, &vocabulary, &tensors, "formula llama").unwrap();
        for (asked, landed) in [(1, "all 5 layers on the CPU"), (2, "1 of 5 layers on"), (1000, "4 of 5 layers on")] {
            let settings =
                LlamaSettings { n_threads: 1, n_ctx: 64, n_batch: 16, gpu_layers: asked, ..Default::default() };
            let error = Llama::load(&path, &LlamaRequirement::width(config.hidden_size), &settings).unwrap_err();
            println!("{error}");
            let ModelError::Gpu { asked: told, found, .. } = &error else { panic!("{error}") };
            assert_eq!(*told, asked);
            assert!(
                found.starts_with(&format!("llama.cpp put {landed}"))
                    && found.ends_with("on the CPU (first output.weight)"),
                "{error}"
            );
        }
    }
}
