//! The network with products of bytes, fused attention and fused norms, as a file for this project's engine.

use std::collections::BTreeSet;
use std::path::Path;

use super::attention::sum_row_groups;
use super::config::{GATE_ROWS, KERNELS, STRIDES, WavlmConfig};
use super::graph::{self, start};
use super::parameters::{POSITIONAL, affine, positional_weight};
use super::position::DistanceTable;
use crate::onnx::{AttentionConstants, FusedConvolution, Graph, LayerNorm, Numbers, Value, channels_last};
use crate::tensor::NamedTensors;
use crate::{ModelError, Result};
use mien_kernel::Activation;

/// Layers that compute in `f32` in a network of bytes, by the names of [`byte_layers`].
pub type FloatLayers = BTreeSet<String>;

/// Names of the layers whose products [`build_quantised`] computes with bytes, from the waveform on.
///
/// The first convolution is not among them: 8 bits are too few for a waveform. Attention's own products, softmax, norms
/// and GELU are `f32` as well.
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
    build_quantised(config, tensors, taps, &byte_layers(config).into_iter().collect(), path)
}

/// As [`super::build`], with every layer of [`byte_layers`] that `floats` does not name in bytes: weights with a scale for
/// each output, activations with a scale for each frame (linear layers), group of channels (positional convolution) or
/// utterance (convolutions), worked out while the network runs, so that no calibration is needed.
///
/// The file has operators of this project's engine; inputs, outputs and contract are those of the float network.
///
/// # Errors
/// As [`super::build`]; [`ModelError::Config`] for a name in `floats` that no layer has.
pub fn build_quantised(
    config: &WavlmConfig,
    tensors: &NamedTensors,
    taps: &[usize],
    floats: &FloatLayers,
    path: &Path,
) -> Result<()> {
    let known: BTreeSet<String> = byte_layers(config).into_iter().collect();
    if let Some(name) = floats.iter().find(|name| !known.contains(*name)) {
        return Err(ModelError::Config {
            what: "WavLM layers to keep in f32".into(),
            reason: format!("no layer is named {name:?}, expected names such as feature_projection.projection"),
        });
    }
    let (graph, waveform) = start(config, taps, path)?;
    let mut builder = Builder { graph, config, tensors, floats };
    let mut x = builder.frames(&waveform)?;
    let mut stream = vec![x.clone()];
    let table = builder.position_table()?;
    for layer in 0..config.layers {
        x = builder.block(layer, &x, &table)?;
        stream.push(x.clone());
    }
    let last = builder.norm("encoder.layer_norm", config.hidden, &x)?;
    graph::finish(builder.graph, config, taps, &stream, &last)
}

struct Builder<'a> {
    graph: Graph,
    config: &'a WavlmConfig,
    tensors: &'a NamedTensors,
    floats: &'a FloatLayers,
}

impl Builder<'_> {
    /// Waveform -> [T, hidden], the stream before the first block.
    fn frames(&mut self, waveform: &Value) -> Result<Value> {
        let mut x = self.graph.reshape(waveform, &[-1, 1]);
        for layer in 0..KERNELS.len() {
            x = self.convolution(layer, &x)?;
        }
        let WavlmConfig { hidden, conv_channels, .. } = *self.config;
        let x = self.norm("feature_projection.layer_norm", conv_channels, &x)?;
        let (weight, bias) = affine(self.tensors, "feature_projection.projection", &[hidden, conv_channels])?;
        let x = self.linear("feature_projection.projection", &x, &weight, &bias, None, Activation::None)?;
        self.positions(&x)
    }

    /// Convolution, layer norm over channels, GELU.
    fn convolution(&mut self, layer: usize, x: &Value) -> Result<Value> {
        let WavlmConfig { conv_channels: channels, layer_norm_eps: epsilon, .. } = *self.config;
        let (kernel, stride) = (KERNELS[layer], STRIDES[layer]);
        let name = format!("feature_extractor.conv_layers.{layer}");
        let inputs = if layer == 0 { 1 } else { channels };
        let weight = self.tensors.get(&format!("{name}.conv.weight"), &[channels, inputs, kernel])?;
        let (gain, bias) = affine(self.tensors, &format!("{name}.layer_norm"), &[channels])?;
        let norm = LayerNorm { gain: &gain, bias: &bias, epsilon };
        // 8 bits are too few for a waveform.
        let numbers = if layer == 0 { Numbers::Floats } else { self.numbers(&name) };
        self.graph.scoped(name, |g| {
            let conv = FusedConvolution {
                numbers,
                weight: &channels_last(&weight, inputs, kernel),
                bias: &vec![0.0; channels],
                inputs,
                groups: 1,
                kernel: [1, kernel],
                strides: [1, stride],
                around: [0; 4],
                norm: Some(norm),
                activation: Activation::Gelu,
            };
            g.fused_convolution(x, &conv, None)
        })
    }

    /// x + GELU(grouped convolution over frames).
    fn positions(&mut self, x: &Value) -> Result<Value> {
        const NAME: &str = "encoder.pos_conv_embed";
        let WavlmConfig { hidden, conv_pos_kernel: kernel, conv_pos_groups: groups, .. } = *self.config;
        let weight = positional_weight(self.config, self.tensors)?;
        let bias = self.tensors.get(&format!("{POSITIONAL}.bias"), &[hidden])?;
        let conv = FusedConvolution {
            numbers: self.numbers(NAME),
            weight: &channels_last(&weight, hidden / groups, kernel),
            bias: &bias,
            inputs: hidden,
            groups,
            kernel: [1, kernel],
            strides: [1, 1],
            // An even kernel padded by half on both sides makes one frame too many; the reference drops the last.
            around: [0, 0, kernel / 2, kernel / 2 - usize::from(kernel.is_multiple_of(2))],
            norm: None,
            activation: Activation::Gelu,
        };
        self.graph.scoped(NAME, |g| {
            let y = g.fused_convolution(x, &conv, None)?;
            Ok(g.add(x, &y))
        })
    }

    /// Bias of each head by distance, which block 0 owns and all blocks use.
    fn position_table(&mut self) -> Result<Value> {
        let WavlmConfig { buckets, heads, .. } = *self.config;
        let embedding = self.tensors.get("encoder.layers.0.attention.rel_attn_embed.weight", &[buckets, heads])?;
        let table = DistanceTable::new(self.config, &embedding);
        self.graph.scoped("encoder.position_bias", |g| g.weight("table", &[heads, 2 * table.reach + 1], &table.bias))
    }

    /// x + attention(norm(x)), then x + feed-forward(norm(x)).
    fn block(&mut self, layer: usize, x: &Value, table: &Value) -> Result<Value> {
        let WavlmConfig { hidden, intermediate, .. } = *self.config;
        let name = format!("encoder.layers.{layer}");
        let z = self.norm(&format!("{name}.layer_norm"), hidden, x)?;
        let context = self.attention(&name, &z, table)?;
        let out = format!("{name}.attention.out_proj");
        let (weight, bias) = affine(self.tensors, &out, &[hidden, hidden])?;
        let x = self.linear(&out, &context, &weight, &bias, Some(x), Activation::None)?;
        let z = self.norm(&format!("{name}.final_layer_norm"), hidden, &x)?;
        let inner = format!("{name}.feed_forward.intermediate_dense");
        let (weight, bias) = affine(self.tensors, &inner, &[intermediate, hidden])?;
        let y = self.linear(&inner, &z, &weight, &bias, None, Activation::Gelu)?;
        let outer = format!("{name}.feed_forward.output_dense");
        let (weight, bias) = affine(self.tensors, &outer, &[hidden, intermediate])?;
        self.linear(&outer, &y, &weight, &bias, Some(&x), Activation::None)
    }

    /// The context of all heads, before the output map. Queries, keys and values are one product.
    fn attention(&mut self, block: &str, z: &Value, table: &Value) -> Result<Value> {
        let (hidden, width) = (self.config.hidden, self.config.head_width());
        let name = format!("{block}.attention");
        let scale = (width as f32).sqrt().recip();
        let (mut weights, mut biases) = (Vec::with_capacity(3 * hidden * hidden), Vec::with_capacity(3 * hidden));
        for (map, scale) in [("q_proj", scale), ("k_proj", 1.0), ("v_proj", 1.0)] {
            let (weight, bias) = affine(self.tensors, &format!("{name}.{map}"), &[hidden, hidden])?;
            weights.extend(weight.iter().map(|w| w * scale));
            biases.extend(bias.iter().map(|b| b * scale));
        }
        let projected = self.linear(&format!("{name}.projections"), z, &weights, &biases, None, Activation::None)?;
        let (weight, bias) = affine(self.tensors, &format!("{name}.gru_rel_pos_linear"), &[GATE_ROWS, width])?;
        let constant = &[1, self.config.heads, 1, 1];
        let constant = self.tensors.get(&format!("{name}.gru_rel_pos_const"), constant)?;
        let constants = AttentionConstants {
            table,
            gate_weight: &sum_row_groups(&weight, width),
            gate_bias: &sum_row_groups(&bias, 1),
            gate_constant: &constant,
        };
        self.graph.scoped(name, |g| g.gated_attention(&projected, z, constants))
    }

    fn norm(&mut self, name: &str, width: usize, x: &Value) -> Result<Value> {
        let (gain, bias) = affine(self.tensors, name, &[width])?;
        let epsilon = self.config.layer_norm_eps;
        self.graph.scoped(name, |g| g.fused_layer_norm(x, LayerNorm { gain: &gain, bias: &bias, epsilon }))
    }

    /// activation(x W^T + b + residual) in bytes or, where the layer is to stay so, in `f32`.
    fn linear(
        &mut self,
        name: &str,
        x: &Value,
        weight: &[f32],
        bias: &[f32],
        residual: Option<&Value>,
        activation: Activation,
    ) -> Result<Value> {
        let numbers = self.numbers(name);
        self.graph.scoped(name, |g| g.fused_linear(numbers, x, weight, bias, residual, activation))
    }

    /// What the layer `name` multiplies.
    fn numbers(&self, name: &str) -> Numbers {
        if self.floats.contains(name) { Numbers::Floats } else { Numbers::Bytes }
    }
}
