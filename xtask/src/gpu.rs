//! `cargo xtask check-gpu`: the language model on a GPU through Vulkan, real or pretended.

use anyhow::{Result, bail};

use crate::setup::{self, Need};
use crate::steps::{cargo, root, run, target};

/// `cargo xtask check-gpu [NUMBER]`: builds with llama.cpp's Vulkan backend, apart from everything else, and runs the tests that
/// need a GPU. The number is that of a device as Vulkan counts; without a card the first one is Mesa's on the processor.
pub(crate) fn check_gpu(rest: &[String]) -> Result<()> {
    let device = match rest {
        [] => "0",
        [number] if number.parse::<u32>().is_ok() => number,
        _ => bail!("usage: cargo xtask check-gpu [NUMBER OF A VULKAN DEVICE]"),
    };
    setup::run(Need::Gpu)?;
    // Names what Vulkan headers before VK_EXT_layer_settings lack; with newer ones it adds nothing.
    let shim = format!("-I{}", root().join("models/vulkan-shim").display());
    let flags = std::env::var("CXXFLAGS").map_or(shim.clone(), |flags| format!("{flags} {shim}"));
    let folder = target().join("vulkan").display().to_string();
    // The variable goes to the tests under a name of their own: llama.cpp's build takes any GGML_ variable for an option of its.
    let variables = [format!("CXXFLAGS={flags}"), format!("MIEN_TEST_GPU={device}")];
    let build = ["test", "--locked", "--target-dir", &folder, "--features", "mien-tests/vulkan,mien-runtime/vulkan"];
    let suites =
        ["-p", "mien-tests", "-p", "mien-runtime", "--test", "llama_parity", "--test", "llama_gpu", "--test", "gpu"];
    let chosen = ["--", "--include-ignored", "--skip", "child::", "--nocapture"];
    let cargo = cargo();
    let words = [&variables.each_ref().map(String::as_str)[..], &[&cargo], &build, &suites, &chosen].concat();
    run("env", &words)
}
