//! Layers in fused operators, of floats or bytes, which this project's engine alone has.

use std::path::Path;

use super::attention::{PROJECTIONS, gate, projection};
use super::config::{KERNELS, WavlmConfig};
use super::layers::{Builder, Convolution, Layers, Linear, write};
use super::parameters::{POSITIONAL, affine, positional_padding, positional_weight};
use crate::Result;
use crate::onnx::{AttentionConstants, ByteLayers, FloatLayers, FusedConvolution, LayerNorm, Value, channels_last};
use crate::tensor::NamedTensors;
use mien_kernel::Activation;

/// Names of the layers whose products [`build_quantised`] computes with bytes, from the waveform on.
///
/// The first convolution is not among them: 8 bits are too few for a waveform. Softmax, norms and GELU are `f32` as well.
/// Attention's own products follow a block's projections: where those are in bytes, they are in bfloat16 on a processor
/// that multiplies it, else in `f32`.
#[must_use]
pub fn byte_layers(config: &WavlmConfig) -> Vec<String> {
    let convolutions = (1..KERNELS.len()).map(|i| format!("feature_extractor.conv_layers.{i}"));
    let maps =
        ["attention.projections", "attention.out_proj", "feed_forward.intermediate_dense", "feed_forward.output_dense"];
    let blocks = (0..config.layers).flat_map(|i| maps.map(|map| format!("encoder.layers.{i}.{map}")));
    convolutions
        .chain(["feature_projection.projection".into(), "encoder.pos_conv_embed".into()])
        .chain(blocks)
        .collect()
}

/// As [`super::build`] for this project's engine: the same numbers in `f32` from fewer and faster operators.
///
/// # Errors
/// As [`super::build`].
pub fn build_fused(config: &WavlmConfig, tensors: &NamedTensors, taps: &[usize], path: &Path) -> Result<()> {
    write(config, tensors, taps, Fused(ByteLayers::default()), path)
}

/// As [`super::build`], with every layer of [`byte_layers`] that `floats` does not name in bytes: weights with a scale for
/// each output, activations with a scale for each frame (linear layers), group of channels (positional convolution) or
/// utterance (convolutions), worked out while the network runs, so that no calibration is needed.
///
/// The file has operators of this project's engine; inputs, outputs and contract are those of the float network.
///
/// # Errors
/// As [`super::build`]; [`crate::ModelError::Config`] for a name in `floats` that no layer has.
pub fn build_quantised(
    config: &WavlmConfig,
    tensors: &NamedTensors,
    taps: &[usize],
    floats: &FloatLayers,
    path: &Path,
) -> Result<()> {
    let bytes = ByteLayers::but_for(floats, byte_layers(config), "WavLM", "feature_projection.projection")?;
    write(config, tensors, taps, Fused(bytes), path)
}

/// Fused operators; these layers in bytes, the others in `f32`.
struct Fused(ByteLayers);

impl Layers for Builder<'_, Fused> {
    fn convolution(&mut self, convolution: Convolution<'_>, x: &Value) -> Result<Value> {
        let Convolution { name, inputs, kernel, stride } = convolution;
        let WavlmConfig { conv_channels: channels, layer_norm_eps: epsilon, .. } = *self.config;
        let weight = self.tensors.get(&format!("{name}.conv.weight"), &[channels, inputs, kernel])?;
        let (gain, bias) = affine(self.tensors, &format!("{name}.layer_norm"), &[channels])?;
        let fused = FusedConvolution {
            numbers: self.operators.0.numbers(name),
            weight: &channels_last(&weight, inputs, kernel),
            bias: &vec![0.0; channels],
            inputs,
            groups: 1,
            kernel: [1, kernel],
            strides: [1, stride],
            around: [0; 4],
            norm: Some(LayerNorm { gain: &gain, bias: &bias, epsilon }),
            activation: Activation::Gelu,
        };
        self.graph.scoped(name, |g| g.fused_convolution(x, &fused, None))
    }

    fn positions(&mut self, x: &Value) -> Result<Value> {
        const NAME: &str = "encoder.pos_conv_embed";
        let WavlmConfig { hidden, conv_pos_kernel: kernel, conv_pos_groups: groups, .. } = *self.config;
        let weight = positional_weight(self.config, self.tensors)?;
        let bias = self.tensors.get(&format!("{POSITIONAL}.bias"), &[hidden])?;
        let [before, after] = positional_padding(kernel);
        let fused = FusedConvolution {
            numbers: self.operators.0.numbers(NAME),
            weight: &channels_last(&weight, hidden / groups, kernel),
            bias: &bias,
            inputs: hidden,
            groups,
            kernel: [1, kernel],
            strides: [1, 1],
            around: [0, 0, before, after],
            norm: None,
            activation: Activation::Gelu,
        };
        self.graph.scoped(NAME, |g| {
            let y = g.fused_convolution(x, &fused, None)?;
            Ok(g.add(x, &y))
        })
    }

    /// The table itself: attention looks distances up.
    fn position_bias(&mut self, table: &Value, _: usize, _: &Value) -> Result<Value> {
        Ok(table.clone())
    }

    /// Queries, keys and values are one product.
    fn context(&mut self, block: &str, z: &Value, table: &Value) -> Result<Value> {
        let hidden = self.config.hidden;
        let attention = format!("{block}.attention");
        let (mut weights, mut biases) = (Vec::with_capacity(3 * hidden * hidden), Vec::with_capacity(3 * hidden));
        for part in PROJECTIONS {
            let (weight, bias) = projection(self.config, self.tensors, &attention, part)?;
            weights.extend_from_slice(&weight);
            biases.extend_from_slice(&bias);
        }
        let name = format!("{attention}.projections");
        let numbers = self.operators.0.numbers(&name);
        let projected =
            self.graph.scoped(name, |g| g.fused_linear(numbers, z, &weights, &biases, None, Activation::None))?;
        let gate = gate(self.config, self.tensors, &attention)?;
        let constants = AttentionConstants {
            table,
            gate_weight: &gate.weight,
            gate_bias: &gate.bias,
            gate_constant: &gate.constant,
        };
        self.graph.scoped(attention, |g| g.gated_attention(numbers, &projected, z, constants))
    }

    fn norm(&mut self, name: &str, width: usize, x: &Value) -> Result<Value> {
        let (gain, bias) = affine(self.tensors, name, &[width])?;
        let epsilon = self.config.layer_norm_eps;
        self.graph.scoped(name, |g| g.fused_layer_norm(x, LayerNorm { gain: &gain, bias: &bias, epsilon }))
    }

    fn linear(&mut self, linear: Linear<'_>, x: &Value) -> Result<Value> {
        let Linear { part, name, shape, residual, activation } = linear;
        let name = format!("{part}.{name}");
        let (weight, bias) = affine(self.tensors, &name, &shape)?;
        let numbers = self.operators.0.numbers(&name);
        self.graph.scoped(name, |g| g.fused_linear(numbers, x, &weight, &bias, residual, activation))
    }
}
