//! The network layer by layer, whatever operators the layers are written in.

use std::path::Path;

use super::config::{KERNELS, STRIDES, WavlmConfig};
use super::graph::{finish, start};
use super::position::DistanceTable;
use crate::Result;
use crate::onnx::{Graph, Value};
use crate::tensor::NamedTensors;
use mien_kernel::Activation;

/// A graph under construction, the tensors that fill it, and the operators that its layers are written in.
pub(super) struct Builder<'a, O> {
    pub(super) graph: Graph,
    pub(super) config: &'a WavlmConfig,
    pub(super) tensors: &'a NamedTensors,
    pub(super) operators: O,
}

/// A convolution over the waveform or over what one gave.
#[derive(Clone, Copy)]
pub(super) struct Convolution<'a> {
    pub(super) name: &'a str,
    pub(super) inputs: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
}

/// An affine map with what follows it.
#[derive(Clone, Copy)]
pub(super) struct Linear<'a> {
    /// The part of the network that it belongs to, which names what follows it.
    pub(super) part: &'a str,
    /// Its name in that part.
    pub(super) name: &'a str,
    /// out, in.
    pub(super) shape: [usize; 2],
    /// Added to the product.
    pub(super) residual: Option<&'a Value>,
    /// Applied last.
    pub(super) activation: Activation,
}

/// Layers in operators of one kind.
pub(super) trait Layers {
    /// Convolution, layer norm over channels, GELU: `x` [length, inputs] -> [shorter length, channels].
    fn convolution(&mut self, convolution: Convolution<'_>, x: &Value) -> Result<Value>;
    /// x + GELU(grouped convolution over frames), [T, hidden].
    fn positions(&mut self, x: &Value) -> Result<Value>;
    /// What gives the bias by position, for the length of `x` [T, hidden]; block 0 owns it and all blocks use it. `table`
    /// [heads, 2 reach + 1] holds it by distance.
    fn position_bias(&mut self, table: &Value, reach: usize, x: &Value) -> Result<Value>;
    /// The context of all heads [T, hidden], before the output map: the attention of `block` over the normalised stream `z`
    /// [T, hidden] with `bias` from [`Layers::position_bias`].
    fn context(&mut self, block: &str, z: &Value, bias: &Value) -> Result<Value>;
    /// The layer norm `name` over `width` numbers.
    fn norm(&mut self, name: &str, width: usize, x: &Value) -> Result<Value>;
    /// activation(residual + x W^T + b).
    fn linear(&mut self, linear: Linear<'_>, x: &Value) -> Result<Value>;
}

/// Writes the network in `operators` to `path`; see [`super::build`].
pub(super) fn write<O>(
    config: &WavlmConfig,
    tensors: &NamedTensors,
    taps: &[usize],
    operators: O,
    path: &Path,
) -> Result<()>
where
    for<'a> Builder<'a, O>: Layers,
{
    let (graph, waveform) = start(config, taps, path)?;
    let mut builder = Builder { graph, config, tensors, operators };
    let mut x = builder.frames(&waveform)?;
    let bias = builder.bias(&x)?;
    let mut stream = vec![x.clone()];
    for layer in 0..config.layers {
        x = builder.block(&format!("encoder.layers.{layer}"), &x, &bias)?;
        stream.push(x.clone());
    }
    let last = builder.norm("encoder.layer_norm", config.hidden, &x)?;
    finish(builder.graph, config, taps, &stream, &last)
}

impl<O> Builder<'_, O>
where
    Self: Layers,
{
    /// Waveform [1, 320 T + 80] -> [T, hidden], the stream before the first block. Lengths on the way: 64 T + 15, 32 T + 7,
    /// 16 T + 3, 8 T + 1, 4 T, 2 T, T.
    fn frames(&mut self, waveform: &Value) -> Result<Value> {
        let WavlmConfig { hidden, conv_channels, .. } = *self.config;
        let mut x = self.graph.reshape(waveform, &[-1, 1]);
        let mut inputs = 1;
        for (i, (kernel, stride)) in KERNELS.into_iter().zip(STRIDES).enumerate() {
            let name = &format!("feature_extractor.conv_layers.{i}");
            x = self.convolution(Convolution { name, inputs, kernel, stride }, &x)?;
            inputs = conv_channels;
        }
        let x = self.norm("feature_projection.layer_norm", conv_channels, &x)?;
        let (part, name) = ("feature_projection", "projection");
        let shape = [hidden, conv_channels];
        let x = self.linear(Linear { part, name, shape, residual: None, activation: Activation::None }, &x)?;
        self.positions(&x)
    }

    fn bias(&mut self, x: &Value) -> Result<Value> {
        let WavlmConfig { buckets, heads, .. } = *self.config;
        let embedding = self.tensors.get("encoder.layers.0.attention.rel_attn_embed.weight", &[buckets, heads])?;
        let table = DistanceTable::new(self.config, &embedding);
        let axes = [heads, 2 * table.reach + 1];
        let value = self.graph.scoped("encoder.position_bias", |g| g.weight("table", &axes, &table.bias))?;
        self.position_bias(&value, table.reach, x)
    }

    /// x + attention(norm(x)), then x + feed-forward(norm(x)).
    fn block(&mut self, block: &str, x: &Value, bias: &Value) -> Result<Value> {
        let WavlmConfig { hidden, intermediate, .. } = *self.config;
        let z = self.norm(&format!("{block}.layer_norm"), hidden, x)?;
        let context = self.context(block, &z, bias)?;
        let output = Linear {
            part: block,
            name: "attention.out_proj",
            shape: [hidden, hidden],
            residual: Some(x),
            activation: Activation::None,
        };
        let x = self.linear(output, &context)?;
        let z = self.norm(&format!("{block}.final_layer_norm"), hidden, &x)?;
        let inner = Linear {
            part: &format!("{block}.feed_forward"),
            name: "intermediate_dense",
            shape: [intermediate, hidden],
            residual: None,
            activation: Activation::Gelu,
        };
        let y = self.linear(inner, &z)?;
        let outer =
            Linear { name: "feed_forward.output_dense", shape: [hidden, intermediate], residual: Some(&x), ..output };
        self.linear(outer, &y)
    }
}
