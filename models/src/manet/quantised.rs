//! The network with convolutions of bytes, channels last, as a file for this project's engine.

use std::collections::BTreeSet;
use std::path::Path;

use super::blocks::{Builder, ConvShape, folded};
use super::graph::{BATCH, contract};
use super::layout::{Block, Kind, QUADRANTS, SCALES, Stage, common, global, local, scale_names};
use super::parameters::WIDE_KERNEL;
use super::{FACE_CHANNELS, FACE_SIDE, MAP_SIDE, MODEL, ManetConfig};
use crate::onnx::{Dim, Dtype, FusedConvolution, Graph, Numbers, Value, channels_last};
use crate::tensor::NamedTensors;
use crate::{ModelError, Result};
use mien_kernel::Activation;

/// Convolutions that compute in `f32` in a network of bytes, by the names of [`byte_layers`].
pub type FloatLayers = BTreeSet<String>;

/// Names of the convolutions that [`build_quantised`] computes with bytes.
///
/// The gates (CBAM) and the class scores are not among them: they are a hundredth of the work, and a gate scales a
/// whole channel.
#[must_use]
pub fn byte_layers(config: &ManetConfig) -> Vec<String> {
    let mut names = vec![String::from("conv1")];
    let locals = (0..QUADRANTS).flat_map(|q| local(config, q));
    for stage in common(config).into_iter().chain(locals).chain(global(config)) {
        for block in stage.blocks() {
            names.push(format!("{}.conv1", block.key));
            match block.kind {
                Kind::Basic | Kind::Attention => names.push(format!("{}.conv2", block.key)),
                Kind::MultiScale => names.extend(scale_names().map(|scale| format!("{}.conv{scale}", block.key))),
            }
            if block.has_downsample() {
                names.push(format!("{}.downsample.0", block.key));
            }
        }
    }
    names
}

/// As [`super::build`] for this project's engine: the same numbers in `f32` from fewer and faster operators.
///
/// # Errors
/// As [`super::build`].
pub fn build_fused(config: &ManetConfig, tensors: &NamedTensors, path: &Path) -> Result<()> {
    build_quantised(config, tensors, &byte_layers(config).into_iter().collect(), path)
}

/// As [`super::build`], with every convolution of [`byte_layers`] that `floats` does not name in bytes: weights with a scale
/// for each output channel, activations with a scale for each picture, worked out while the network runs.
///
/// The file has operators of this project's engine; inputs, outputs and contract are those of the float network.
///
/// # Errors
/// As [`super::build`]; [`ModelError::Config`] for a name in `floats` that no layer has.
pub fn build_quantised(config: &ManetConfig, tensors: &NamedTensors, floats: &FloatLayers, path: &Path) -> Result<()> {
    config.validate()?;
    let known: BTreeSet<String> = byte_layers(config).into_iter().collect();
    if let Some(name) = floats.iter().find(|name| !known.contains(*name)) {
        return Err(ModelError::Config {
            what: "MA-Net layers to keep in f32".into(),
            reason: format!("no layer is named {name:?}, expected names such as layer1.0.conv1"),
        });
    }
    let mut graph = Graph::create(path, MODEL)?;
    for (key, value) in contract(config).description {
        graph.describe(key, value);
    }
    let mut bytes = Bytes { builder: Builder::new(graph, tensors), tensors, floats };
    bytes.network(config)?;
    bytes.builder.graph.finish()
}

/// A graph under construction; maps are [N, H, W, C].
struct Bytes<'a> {
    builder: Builder<'a>,
    tensors: &'a NamedTensors,
    floats: &'a FloatLayers,
}

impl Bytes<'_> {
    fn network(&mut self, config: &ManetConfig) -> Result<()> {
        let batch = Dim::Named(BATCH);
        let side = Dim::Fixed(FACE_SIDE);
        let face = self.builder.graph.input("face", Dtype::F32, &[batch, Dim::Fixed(FACE_CHANNELS), side, side]);
        let x = self.builder.graph.transpose(&face, &[0, 2, 3, 1]);
        let stem = ConvShape { inputs: FACE_CHANNELS, outputs: config.width, kernel: WIDE_KERNEL, stride: 2 };
        let x = self.conv("conv1", "bn1", &x, stem, None, Activation::Relu)?;
        let x = self.builder.graph.max_pool_channels_last(&x, 3, 2, 1);
        let map = self.stages(&common(config), &x)?;

        let local = self.local_branch(config, &map)?;
        let whole = self.stages(&global(config), &map)?;
        let g = &mut self.builder.graph;
        let whole = g.mean(&whole, &[1, 2], false);
        let embedding = g.concat(&[&local, &whole], -1);
        let logits_1 = self.builder.linear("fc_1", &local, config.branch(), config.classes)?;
        let logits_2 = self.builder.linear("fc_2", &whole, config.branch(), config.classes)?;
        let classes = Dim::Fixed(config.classes);
        let g = &mut self.builder.graph;
        g.output("embedding", &embedding, Dtype::F32, &[batch, Dim::Fixed(config.embedding())]);
        g.output("logits_1", &logits_1, Dtype::F32, &[batch, classes]);
        g.output("logits_2", &logits_2, Dtype::F32, &[batch, classes]);
        Ok(())
    }

    /// Mean over the four quadrants' maps, [N, 8 width].
    fn local_branch(&mut self, config: &ManetConfig, map: &Value) -> Result<Value> {
        let half = MAP_SIDE / 2;
        let mut sum: Option<Value> = None;
        for q in 0..QUADRANTS {
            let (top, left) = (half * (q as i64 / 2), half * (q as i64 % 2));
            let quadrant = self.builder.graph.slice(map, 1, top, top + half);
            let quadrant = self.builder.graph.slice(&quadrant, 2, left, left + half);
            let features = self.stages(&local(config, q), &quadrant)?;
            let mean = self.builder.graph.mean(&features, &[1, 2], false);
            sum = Some(match sum {
                None => mean,
                Some(sum) => self.builder.graph.add(&sum, &mean),
            });
        }
        let share = self.builder.graph.scalar("quadrant_share", 1.0 / QUADRANTS as f32);
        Ok(sum.map_or(share.clone(), |sum| self.builder.graph.mul(&sum, &share)))
    }

    fn stages(&mut self, stages: &[Stage], x: &Value) -> Result<Value> {
        stages.iter().flat_map(Stage::blocks).try_fold(x.clone(), |x, block| self.block(&block, &x))
    }

    fn block(&mut self, block: &Block, x: &Value) -> Result<Value> {
        let Block { key, inputs, outputs, stride, .. } = block;
        let first = ConvShape { inputs: *inputs, outputs: *outputs, kernel: 3, stride: *stride };
        let inner = self.conv(&format!("{key}.conv1"), &format!("{key}.bn1"), x, first, None, Activation::Relu)?;
        let identity = if block.has_downsample() {
            let shape = ConvShape { kernel: 1, ..first };
            let (conv, norm) = (format!("{key}.downsample.0"), format!("{key}.downsample.1"));
            self.conv(&conv, &norm, x, shape, None, Activation::None)?
        } else {
            x.clone()
        };
        let (conv, norm) = (format!("{key}.conv2"), format!("{key}.bn2"));
        let shape = ConvShape { inputs: *outputs, outputs: *outputs, kernel: 3, stride: 1 };
        let out = match block.kind {
            Kind::Basic => return self.conv(&conv, &norm, &inner, shape, Some(&identity), Activation::Relu),
            Kind::Attention => {
                let out = self.conv(&conv, &norm, &inner, shape, None, Activation::None)?;
                self.attention(block, &out)?
            }
            Kind::MultiScale => self.scales(block, &inner)?,
        };
        let g = &mut self.builder.graph;
        let sum = g.add(&out, &identity);
        Ok(g.relu(&sum))
    }

    /// A map times its channel gate, that times its spatial gate. The spatial gate's convolution is that of the float
    /// network, so its two channels come first for it.
    fn attention(&mut self, block: &Block, x: &Value) -> Result<Value> {
        let pooled = self.builder.graph.pooled_over_places(x);
        let gate = self.builder.channel_gate_of(block, &pooled)?;
        let g = &mut self.builder.graph;
        let gate = g.reshape(&gate, &[-1, 1, 1, block.outputs as i64]);
        let x = g.mul(x, &gate);
        let pooled = g.pooled_over_channels(&x);
        let pooled = g.transpose(&pooled, &[0, 3, 1, 2]);
        let gate = self.builder.spatial_gate_of(block, &pooled)?;
        let g = &mut self.builder.graph;
        let gate = g.transpose(&gate, &[0, 2, 3, 1]);
        Ok(g.mul(&x, &gate))
    }

    /// As the float network's, over channels that lie last.
    fn scales(&mut self, block: &Block, x: &Value) -> Result<Value> {
        let group = block.group();
        let g = &mut self.builder.graph;
        let groups: Vec<Value> =
            (0..SCALES as i64).map(|k| g.slice(x, 3, k * group as i64, (k + 1) * group as i64)).collect();
        let first = self.chain(block, 1, &groups)?;
        let second = self.chain(block, 2, &groups)?;
        Ok(self.builder.graph.add(&first, &second))
    }

    fn chain(&mut self, block: &Block, chain: usize, groups: &[Value]) -> Result<Value> {
        let key = &block.key;
        let shape = ConvShape { inputs: block.group(), outputs: block.group(), kernel: 3, stride: 1 };
        let mut outputs: Vec<Value> = Vec::with_capacity(SCALES);
        for (k, group) in groups.iter().enumerate() {
            let input = match outputs.last() {
                None => group.clone(),
                Some(previous) => {
                    let previous = self.builder.graph.relu(previous);
                    self.builder.graph.add(&previous, group)
                }
            };
            let name = format!("{chain}_2_{}", k + 1);
            let (conv, norm) = (format!("{key}.conv{name}"), format!("{key}.bn{name}"));
            outputs.push(self.conv(&conv, &norm, &input, shape, None, Activation::None)?);
        }
        Ok(self.builder.graph.concat(&outputs.iter().collect::<Vec<_>>(), 3))
    }

    /// activation(convolution with its normalisation folded in + residual), in bytes or, where it is to stay so, in `f32`.
    fn conv(
        &mut self,
        conv: &str,
        norm: &str,
        x: &Value,
        shape: ConvShape,
        residual: Option<&Value>,
        activation: Activation,
    ) -> Result<Value> {
        let ConvShape { inputs, kernel, stride, .. } = shape;
        let (weight, bias) = folded(self.tensors, conv, norm, shape)?;
        let numbers = if self.floats.contains(conv) { Numbers::Floats } else { Numbers::Bytes };
        let fused = FusedConvolution {
            numbers,
            weight: &channels_last(&weight, inputs, kernel * kernel),
            bias: &bias,
            inputs,
            groups: 1,
            kernel: [kernel; 2],
            strides: [stride; 2],
            around: [kernel / 2; 4],
            norm: None,
            activation,
        };
        self.builder.graph.scoped(conv, |g| g.fused_convolution(x, &fused, residual))
    }
}
