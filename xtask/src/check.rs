//! Tests, lints and the checks against other implementations.

use anyhow::{Result, bail};

use crate::setup::{self, Need};
use crate::steps::{assets, cargo, mien, mien_train, root, run, target};

/// `cargo xtask test`: arguments are handed to `cargo test`.
pub(crate) fn test(rest: &[String]) -> Result<()> {
    setup::run(Need::Tests)?;
    let mut args: Vec<String> = ["test", "--release", "--locked", "--workspace"].map(Into::into).into();
    args.extend_from_slice(rest);
    run(&cargo(), &args)
}

/// `cargo xtask check`: the cheapest first, after what every build needs.
pub(crate) fn check() -> Result<()> {
    run(&cargo(), &["fmt", "--all", "--check"])?;
    test(&[])?;
    run(&cargo(), &["clippy", "--release", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    run("env", &["RUSTDOCFLAGS=-D warnings", &cargo(), "doc", "--release", "--locked", "--workspace", "--no-deps"])
}

/// A recorded voice of Debian's alsa-utils.
const SPEECH: &str = "/usr/share/sounds/alsa/Front_Center.wav";
/// Seed of the formula weights that [`onnx`] checks.
const SEED: &str = "7";

/// `cargo xtask check-onnx`: a development check outside cargo's tests, because it needs Python packages.
pub(crate) fn onnx() -> Result<()> {
    setup::run(Need::Demo)?;
    let mien = mien()?.display().to_string();
    let folder = target().join("check-onnx");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let bundle = folder.join("bundle").display().to_string();
    run(&mien, &["bundle", "dry", "--seed", SEED, "--out", &bundle])?;
    let cases = folder.join("cases").display().to_string();
    run(&cargo(), &["build", "--release", "--locked", "--workspace", "--bin", "onnx_cases"])?;
    run(&target().join("release/onnx_cases").display().to_string(), &[&bundle, &cases, SEED])?;
    let python = python(&["numpy", "onnx", "onnxruntime", "safetensors"])?;
    run(&python, &["tests/reference/check_onnx.py", &cases])
}

/// `cargo xtask fixtures FILL.PY`: `FILL.PY` is the reference implementation of the formula weights, which comes with the
/// scripts that make the golden files.
pub(crate) fn fixtures(rest: &[String]) -> Result<()> {
    let [fill] = rest else { bail!("usage: cargo xtask fixtures PATH/TO/fill.py") };
    let python = python(&["numpy", "torch", "safetensors"])?;
    let folder = "models/tests/fixtures";
    run(&python, &["tests/reference/fill_fixture.py", fill, &format!("{folder}/fill.txt")])?;
    run(&python, &["tests/reference/torch_fixtures.py", folder])?;
    let python = self::python(&["transformers"])?;
    run(&python, &["tests/reference/checkpoint_fixtures.py", fill, &format!("{folder}/checkpoints")])
}

/// `cargo xtask check-checkpoints FILL.PY [--large]`: `mien-train bundle build` on files that PyTorch writes in every form, and
/// WavLM's outputs against transformers', small or at the published sizes.
pub(crate) fn checkpoints(rest: &[String]) -> Result<()> {
    let [fill, size @ ..] = rest else { bail!("usage: cargo xtask check-checkpoints PATH/TO/fill.py [--large]") };
    setup::run(Need::Demo)?;
    let program = mien_train()?.display().to_string();
    run(&cargo(), &["build", "--release", "--locked", "--workspace", "--bin", "onnx_cases"])?;
    let cases = target().join("release/onnx_cases").display().to_string();
    let python = python(&["numpy", "torch", "safetensors", "transformers"])?;
    let folder = target().join("check-checkpoints");
    let _ = std::fs::remove_dir_all(&folder);
    let shown = folder.display().to_string();
    let arguments = ["tests/reference/check_checkpoints.py", fill, &program, &cases, &shown];
    run(&python, &[&arguments.map(str::to_owned)[..], size].concat())?;
    // At the published sizes it holds four gigabytes.
    Ok(std::fs::remove_dir_all(&folder)?)
}

/// `cargo xtask golden-training FILL.PY`: what PyTorch gives for the trainer's gradients and optimiser, anew.
pub(crate) fn golden_training(rest: &[String]) -> Result<()> {
    let [fill] = rest else { bail!("usage: cargo xtask golden-training PATH/TO/fill.py") };
    let python = python(&["numpy", "torch", "safetensors"])?;
    let (golden, out) = ("tests/golden/fusion.safetensors", "trainer/tests/golden/training.safetensors");
    run(&python, &["tests/reference/golden_training.py", fill, golden, out])
}

/// `cargo xtask bench-train`: a training step against PyTorch's, and an epoch; or what arguments ask of the script.
pub(crate) fn bench_train(rest: &[String]) -> Result<()> {
    setup::run(Need::Demo)?;
    run(&cargo(), &["build", "--release", "--locked", "--workspace", "--examples"])?;
    let python = python(&["numpy", "torch"])?;
    let folder = target().join("release/examples").display().to_string();
    let script =
        |more: &[String]| run(&python, &[&["tests/reference/bench_train.py".into(), folder.clone()], more].concat());
    if !rest.is_empty() {
        return script(rest);
    }
    script(&[])?;
    script(&["--epoch".into(), "480".into(), "--rounds".into(), "1".into()])
}

/// `cargo xtask bench-rivals [--quick | --rounds N]`: the encoders at true size beside onnxruntime; writes 2.4 GB below the target folder.
pub(crate) fn bench_rivals(rest: &[String]) -> Result<()> {
    setup::run(Need::Demo)?;
    run(&cargo(), &["build", "--release", "--locked", "--workspace", "--bin", "bench_graphs"])?;
    let python = python(&["numpy", "onnx", "onnxruntime"])?;
    let bench = target().join("release/bench_graphs").display().to_string();
    let folder = target().join("bench-rivals").display().to_string();
    run(&bench, &["write", &folder])?;
    let script = ["tests/reference/bench_rivals.py".into(), bench, folder];
    run(&python, &[&script, rest].concat())
}

/// `cargo xtask bench-chain FILL.PY [--rounds N] [--threads N] [--tokens N]`: a bundle at true size, encoders in bytes and a
/// language model of Vicuna-7B's shape in Q4_0: how fast the latter is, and the whole chain beside transformers and PyTorch.
/// Writes 10 GB below the target folder, for a moment 24, and needs 18 GB of memory.
pub(crate) fn bench_chain(rest: &[String]) -> Result<()> {
    let [fill, more @ ..] = rest else { bail!("usage: cargo xtask bench-chain PATH/TO/fill.py [--rounds N]") };
    setup::run(Need::Tests)?;
    run(&cargo(), &["build", "--release", "--locked", "--workspace", "--bins"])?;
    let python = python(&["numpy", "opencv-python-headless<5", "torch", "safetensors", "transformers"])?;
    let program = |name: &str| target().join("release").join(name).display().to_string();
    let folder = target().join("bench-chain").display().to_string();
    let face = assets().join("astronaut.png").display().to_string();
    let [mien, train, llm] = ["mien", "mien-train", "true_llm"].map(program);
    let script =
        ["tests/reference/bench_chain.py", fill, &mien, &train, &llm, SPEECH, &face, &folder].map(str::to_owned);
    run(&python, &[&script[..], more].concat())?;
    run(&mien, &["bench", "--llm", "--bundle", &target().join("bench-chain/bundle").display().to_string()])
}

/// `cargo xtask test-aarch64`: the encoders' arithmetic on an emulated processor with NEON and its dot products.
pub(crate) fn aarch64() -> Result<()> {
    const TARGET: &str = "aarch64-unknown-linux-gnu";
    setup::run(Need::Aarch64)?;
    run("rustup", &["target", "add", TARGET])?;
    let linker = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc";
    let runner = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu";
    let test = ["test", "--release", "--locked", "-p", "mien-kernel", "--target", TARGET];
    run("env", &[&[linker, runner, &cargo()], &test[..]].concat())
}

/// `cargo xtask check-cuda`: the workstation's program with its CUDA path, built without optimisation and apart from
/// everything else, lists what it finds: cards, or cleanly none.
pub(crate) fn cuda() -> Result<()> {
    setup::run(Need::Demo)?;
    let folder = target().join("check-cuda");
    let shown = folder.display().to_string();
    let features = ["--workspace", "--features", "mien-trainer/cuda", "--bin", "mien-train"];
    run(&cargo(), &[&["build", "--locked", "--target-dir", &shown], &features[..]].concat())?;
    run(&folder.join("debug/mien-train").display().to_string(), &["devices"])
}

/// A Python in the project's own virtual environment that has `packages`.
fn python(packages: &[&str]) -> Result<String> {
    let venv = root().join(".venv");
    let python = venv.join("bin/python").display().to_string();
    if !venv.join("bin/python").exists() {
        run("python3", &["-m", "venv", ".venv"])?;
    }
    let mut args = vec!["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    args.extend(packages);
    run(&python, &args)?;
    Ok(python)
}
