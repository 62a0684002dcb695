//! The whole network as an ONNX file.

use std::path::Path;

use super::attention::{attention, position_bias};
use super::config::WavlmConfig;
use super::convolution::{add_positions, feature_extractor};
use super::parameters::affine;
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
/// `tensors` come from [`super::recognise`] or have the names of [`super::parameters`]. One tensor at a time is in memory.
///
/// # Errors
/// [`ModelError::Config`] for sizes or taps that do not fit, [`ModelError::Io`], and the errors of
/// [`NamedTensors::get`].
pub fn build(config: &WavlmConfig, tensors: &NamedTensors, taps: &[usize], path: &Path) -> Result<()> {
    let (mut g, waveform) = start(config, taps, path)?;
    let frames = feature_extractor(&mut g, config, tensors, &waveform)?;
    let x = project(&mut g, config, tensors, &frames)?;
    let mut x = add_positions(&mut g, config, tensors, &x)?;
    let bias = position_bias(&mut g, config, tensors, &x)?;
    let mut stream = vec![x.clone()];
    for layer in 0..config.layers {
        x = block(&mut g, config, tensors, layer, &x, &bias)?;
        stream.push(x.clone());
    }
    let last = norm(&mut g, config, tensors, "encoder.layer_norm", config.hidden, &x)?;
    finish(g, config, taps, &stream, &last)
}

/// The file with its description, and the waveform.
pub(super) fn start(config: &WavlmConfig, taps: &[usize], path: &Path) -> Result<(Graph, Value)> {
    config.validate()?;
    check_taps(config, taps)?;
    let mut g = Graph::create(path, "wavlm")?;
    for (key, value) in contract(config, taps).description {
        g.describe(key, value);
    }
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

/// Layer norm over channels, then the map from [T, channels] to [T, hidden].
fn project(g: &mut Graph, config: &WavlmConfig, tensors: &NamedTensors, frames: &Value) -> Result<Value> {
    let WavlmConfig { hidden, conv_channels, .. } = *config;
    let x = norm(g, config, tensors, "feature_projection.layer_norm", conv_channels, frames)?;
    linear(g, tensors, "feature_projection.projection", [hidden, conv_channels], &x)
}

/// x + attention(norm(x)), then x + feed-forward(norm(x)).
fn block(
    g: &mut Graph,
    config: &WavlmConfig,
    tensors: &NamedTensors,
    layer: usize,
    x: &Value,
    bias: &Value,
) -> Result<Value> {
    let WavlmConfig { hidden, intermediate, .. } = *config;
    let name = format!("encoder.layers.{layer}");
    let z = norm(g, config, tensors, &format!("{name}.layer_norm"), hidden, x)?;
    let y = g.scoped(name.as_str(), |g| attention(g, config, tensors, layer, &z, bias))?;
    let x = g.scoped(name.as_str(), |g| Ok(g.add(x, &y)))?;
    let z = norm(g, config, tensors, &format!("{name}.final_layer_norm"), hidden, &x)?;
    let y = linear(g, tensors, &format!("{name}.feed_forward.intermediate_dense"), [intermediate, hidden], &z)?;
    let y = g.scoped(format!("{name}.feed_forward"), |g| Ok(g.gelu(&y)))?;
    let y = linear(g, tensors, &format!("{name}.feed_forward.output_dense"), [hidden, intermediate], &y)?;
    g.scoped(name.as_str(), |g| Ok(g.add(&x, &y)))
}

/// The norm `name`, its nodes and weights under that name.
fn norm(
    g: &mut Graph,
    config: &WavlmConfig,
    tensors: &NamedTensors,
    name: &str,
    width: usize,
    x: &Value,
) -> Result<Value> {
    let (gain, bias) = affine(tensors, name, &[width])?;
    g.scoped(name, |g| g.layer_norm(x, &gain, &bias, config.layer_norm_eps))
}

/// The affine map `name` of `shape` [out, in], its nodes and weights under that name.
fn linear(g: &mut Graph, tensors: &NamedTensors, name: &str, shape: [usize; 2], x: &Value) -> Result<Value> {
    let (weight, bias) = affine(tensors, name, &shape)?;
    g.scoped(name, |g| g.linear(x, &weight, &bias, shape[1]))
}
