//! The whole network as an ONNX file.

use std::path::Path;

use super::config::WavlmConfig;
use super::layers::write;
use super::standard::Standard;
use crate::engine::{GraphContract, TensorContract, described};
use crate::onnx::{Dim, Dtype, Graph, Value};
use crate::tensor::NamedTensors;
use crate::{ModelError, Result};

/// Key under which the file says after which layers the residual stream is given out.
const TAPS_KEY: &str = "mien.taps";
/// Samples for T frames, as an expression that tract understands; other runtimes take it as a name.
const SAMPLES: Dim = Dim::Named("320*T+80");

/// Writes the network to `path` (`*.onnx`, weights beside it).
///
/// Input `waveform` f32 [1, 320 T + 80], as [`super::waveform::prepare`] makes it. Outputs, f32 [T, hidden]: for each k
/// of `taps`, in that order, `hidden.<k>`, the residual stream after k layers (0: after the positional convolution)
/// without any final norm; then `last`, the last layer after `encoder.layer_norm`.
///
/// `tensors` come from [`super::recognise`] or have the names of [`super::parameters()`]. One tensor at a time is in memory.
///
/// # Errors
/// [`ModelError::Config`] for sizes or taps that do not fit, [`ModelError::Io`], and the errors of
/// [`NamedTensors::get`].
pub fn build(config: &WavlmConfig, tensors: &NamedTensors, taps: &[usize], path: &Path) -> Result<()> {
    write(config, tensors, taps, Standard, path)
}

/// The file with its description, and the waveform.
pub(super) fn start(config: &WavlmConfig, taps: &[usize], path: &Path) -> Result<(Graph, Value)> {
    config.validate()?;
    check_taps(config, taps)?;
    let mut g = Graph::create(path, "wavlm")?;
    g.describe(contract(config, taps).description);
    let waveform = g.input("waveform", Dtype::F32, &[Dim::Fixed(1), SAMPLES]);
    Ok((g, waveform))
}

/// Gives out the taps of `stream`, the states after 0, 1, .. layers, and `last`, and writes the file.
pub(super) fn finish(mut g: Graph, config: &WavlmConfig, taps: &[usize], stream: &[Value], last: &Value) -> Result<()> {
    let axes = [Dim::Named("T"), Dim::Fixed(config.hidden)];
    for (&tap, value) in taps.iter().filter_map(|tap| Some((tap, stream.get(*tap)?))) {
        g.output(&tap_name(tap), value, Dtype::F32, &axes);
    }
    g.output("last", last, Dtype::F32, &axes);
    g.finish()
}

/// What a runner of a file written by [`build`] with the same `config` and `taps` relies on.
pub fn contract(config: &WavlmConfig, taps: &[usize]) -> GraphContract {
    let axes = [None, Some(config.hidden)];
    let mut outputs: Vec<_> = taps.iter().map(|&tap| TensorContract::f32(tap_name(tap), axes)).collect();
    outputs.push(TensorContract::f32("last", axes));
    let inputs = vec![TensorContract::f32("waveform", [Some(1), None])];
    let description = vec![described(config), (TAPS_KEY, format!("{taps:?}"))];
    GraphContract { model: "WavLM", inputs, outputs, description }
}

/// Refuses taps beyond the last layer and taps given twice.
pub(super) fn check_taps(config: &WavlmConfig, taps: &[usize]) -> Result<()> {
    for (i, &tap) in taps.iter().enumerate() {
        if tap > config.layers || taps.iter().take(i).any(|&t| t == tap) {
            return Err(ModelError::Config {
                what: "WavLM layers to give out".into(),
                reason: format!("{taps:?}, expected different numbers from 0 to {}", config.layers),
            });
        }
    }
    Ok(())
}

fn tap_name(tap: usize) -> String {
    format!("hidden.{tap}")
}
