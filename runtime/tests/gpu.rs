//! Layers of the language model on a GPU, as a user asks for them: the real binary, judged by output and exit code.
//!
//! What is refused without a GPU is tested in every build. The ignored tests need a program that was built for GPUs and a GPU,
//! or Mesa's pretended one: `cargo xtask check-gpu` sees to both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "dry/mod.rs"]
mod dry;

use std::process::Command;

use mien_models::llama::GPU_BACKENDS;
use serde_json::Value;

/// Recorded human voice of Debian's alsa-utils: "front center".
const SPEECH: &str = "/usr/share/sounds/alsa/Front_Center.wav";
/// Variable with the number of the device that is used, as the drivers count; 0 is the first one, real or pretended.
const DEVICE: &str = "MIEN_TEST_GPU";
/// Largest difference of valences, of the processor's: hidden states differ in the third digit, and formula weights make more of it.
const TOLERANCE: f64 = 0.05;

struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs `mien` on the dry bundle; it sees `devices`, and `variables`.
fn mien(devices: &str, variables: &[(&str, &str)], args: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mien"));
    command.args(args).env("MIEN_BUNDLE", dry::dry()).env_remove("RUST_LOG");
    command.env("GGML_VK_VISIBLE_DEVICES", devices).env("CUDA_VISIBLE_DEVICES", devices);
    let output = command.envs(variables.iter().copied()).output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().expect("it ends by itself, not by a signal");
    let run = Run { code, stdout: text(output.stdout), stderr: text(output.stderr) };
    println!("mien {}\n{}{}", args.join(" "), run.stdout, run.stderr);
    run
}

impl Run {
    /// The message of the one error, of kind "gpu", that this run must have ended with.
    fn refusal(&self) -> String {
        assert_eq!(self.code, 4, "{}", self.stderr);
        let errors: Vec<Value> = self.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let error = errors.iter().find_map(|line| line.get("error")).expect("an error");
        assert_eq!((&error["kind"], &error["exit_code"]), (&"gpu".into(), &4.into()));
        error["message"].as_str().unwrap().to_owned()
    }

    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).expect("one JSON object")
    }

    /// What was told beside the results.
    fn note(&self) -> Option<String> {
        let lines = self.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter_map(|line| Some(line.get("note")?.as_str()?.to_owned())).next()
    }
}

fn device() -> String {
    std::env::var(DEVICE).unwrap_or_else(|_| "0".into())
}

/// The doctor's exit code, and what it says of GPUs with this many layers configured.
fn doctor(devices: &str, gpu_layers: u32) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("mien.toml");
    let text = format!(
        "[microphone]\ndevice = \"file:{SPEECH}\"\n[camera]\nenabled = false\n[llm]\ngpu_layers = {gpu_layers}\n"
    );
    std::fs::write(&config, text).unwrap();
    let run = mien(devices, &[], &["doctor", "--json", "--config", config.to_str().unwrap()]);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    (run.code, findings.iter().find(|f| f["check"] == "gpu").unwrap().clone())
}

#[test]
fn without_a_gpu_no_layer_can_be_put_on_one() {
    let why = if GPU_BACKENDS.is_empty() { "built without a GPU backend" } else { "finds no GPU" };
    for command in [&["score", SPEECH, "--json"][..], &["bench", "--runs", "1", "--json"]] {
        let message = mien("", &[], &[command, &["--gpu-layers", "3"]].concat()).refusal();
        assert!(
            message.contains("gpu_layers is 3") && message.contains(why) && message.contains("set gpu_layers to 0")
        );
    }
    // Without language model there is nothing to put anywhere.
    let run = mien("", &[], &["score", SPEECH, "--json", "--no-llm", "--gpu-layers", "3"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(mien("", &[], &["score", SPEECH, "--gpu-layers", "1001"]).code, 2);
    assert_eq!(mien("", &[], &["score", SPEECH, "--gpu-layers", "-1"]).code, 2);
}

#[test]
fn the_doctor_says_that_layers_have_no_gpu() {
    let (code, finding) = doctor("", 3);
    assert_eq!((code, finding["status"].as_str()), (if GPU_BACKENDS.is_empty() { 3 } else { 4 }, Some("failure")));
    assert!(finding["found"].as_str().unwrap().contains("llm.gpu_layers is 3"), "{finding}");
    assert!(finding["fix"].as_str().unwrap().contains("llm.gpu_layers = 0"), "{finding}");
    let (code, finding) = doctor("", 0);
    assert!(code == 0 && finding["status"] != "failure", "{finding}");
}

#[test]
#[ignore = "needs a GPU build: cargo xtask check-gpu"]
fn scores_say_where_the_layers_are_and_agree_with_the_processor() {
    let valence = |run: &Run| run.json()["valence"].as_f64().expect("a valence");
    let score = ["score", SPEECH, "--json"];
    let on_gpu = |text: &[&str], layers: &str| {
        let run = mien(&device(), &[], &[&score, text, &["--gpu-layers", layers]].concat());
        let note = run.note().expect("a note on where the layers are");
        assert!(note.starts_with("language model: ") && note.contains(" layers on "), "{note}");
        assert_eq!(note.contains("on the CPU"), layers != "1000", "{note}");
        run
    };
    let text = ["--text", "front center"];
    let processor = mien(&device(), &[], &[&score, &text[..]].concat());
    assert_eq!(processor.note(), None);
    let expected = valence(&processor);
    for layers in ["3", "1000"] {
        let difference = (valence(&on_gpu(&text, layers)) / expected - 1.0).abs();
        println!("{layers} layers: {difference:.1e} of the processor's valence");
        assert!(difference <= TOLERANCE, "{layers} layers: {difference} of {expected}");
    }
    // Which token of an untrained model comes next is a matter of the last digit, so this text may be another one.
    let simulated = on_gpu(&[], "1000").json();
    assert_eq!(simulated["mode"]["text"], "simulated");
}

#[test]
#[ignore = "needs a GPU build: cargo xtask check-gpu"]
fn measurements_and_the_doctor_name_the_gpu() {
    let report = mien(&device(), &[], &["bench", "--runs", "1", "--json", "--gpu-layers", "1000"]).json();
    let landing = report["language_model"].as_str().unwrap();
    let (code, finding) = doctor(&device(), 1000);
    let found = finding["found"].as_str().unwrap();
    assert!(code == 0 && finding["status"] == "ok", "{finding}");
    // `5 of 5 layers on NAME (CARD)`.
    let (_, device) = landing.split_once(" layers on ").unwrap();
    let name = device.trim_end_matches(')');
    assert!(!landing.contains("CPU") && found.contains(name), "{landing}: {finding}");
    let report = mien("", &[], &["bench", "--runs", "1", "--json"]).json();
    assert!(report["language_model"].as_str().unwrap().starts_with("all "), "{report}");
}

#[test]
#[ignore = "needs a GPU build: cargo xtask check-gpu"]
fn a_gpu_whose_memory_is_too_small_is_refused() {
    let variables = [("GGML_VK_FORCE_MAX_BUFFER_SIZE", "4096")];
    let args = ["score", SPEECH, "--json", "--gpu-layers", "1000"];
    let message = mien(&device(), &variables, &args).refusal();
    assert!(
        message.contains("gpu_layers is 1000") && message.contains("alloc") && message.contains("fewer gpu_layers")
    );
}
