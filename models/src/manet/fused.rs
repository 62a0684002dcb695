//! Maps in fused operators, of floats or bytes, which this project's engine alone has: [N, H, W, C].

use std::path::Path;

use super::ManetConfig;
use super::graph::write;
use super::layout::{Kind, QUADRANTS, common, global, local, scale_names};
use super::maps::{Builder, Convolution, Maps, Then};
use crate::Result;
use crate::onnx::{ByteLayers, FloatLayers, FusedConvolution, Value, channels_last};
use crate::tensor::NamedTensors;

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
    write(config, tensors, Fused(ByteLayers::default()), path)
}

/// As [`super::build`], with every convolution of [`byte_layers`] that `floats` does not name in bytes: weights with a scale
/// for each output channel, activations with a scale for each picture, worked out while the network runs.
///
/// The file has operators of this project's engine; inputs, outputs and contract are those of the float network.
///
/// # Errors
/// As [`super::build`]; [`crate::ModelError::Config`] for a name in `floats` that no layer has.
pub fn build_quantised(config: &ManetConfig, tensors: &NamedTensors, floats: &FloatLayers, path: &Path) -> Result<()> {
    config.validate()?;
    let bytes = ByteLayers::but_for(floats, byte_layers(config), "MA-Net", "layer1.0.conv1")?;
    write(config, tensors, Fused(bytes), path)
}

/// Fused operators; these convolutions in bytes, the others in `f32`.
struct Fused(ByteLayers);

impl Maps for Builder<'_, Fused> {
    const CHANNELS: usize = 3;
    const PLACES: [i64; 2] = [1, 2];

    fn map_of_face(&mut self, face: &Value) -> Value {
        self.graph.transpose(face, &[0, 2, 3, 1])
    }

    fn conv(&mut self, conv: Convolution<'_>, x: &Value, then: Then<'_>) -> Result<Value> {
        let Convolution { name, inputs, kernel, stride, .. } = conv;
        let (weight, bias) = conv.folded(self.tensors)?;
        let fused = FusedConvolution {
            numbers: self.operators.0.numbers(name),
            weight: &channels_last(&weight, inputs, kernel * kernel),
            bias: &bias,
            inputs,
            groups: 1,
            kernel: [kernel; 2],
            strides: [stride; 2],
            around: [kernel / 2; 4],
            norm: None,
            activation: then.activation,
        };
        self.graph.scoped(name, |g| g.fused_convolution(x, &fused, then.residual))
    }

    fn max_pool(&mut self, x: &Value, kernel: usize, stride: usize, padding: usize) -> Value {
        self.graph.max_pool_channels_last(x, kernel, stride, padding)
    }

    fn pooled_over_places(&mut self, x: &Value) -> Value {
        self.graph.pooled_over_places(x)
    }

    fn pooled_over_channels(&mut self, x: &Value) -> Value {
        let pooled = self.graph.pooled_over_channels(x);
        self.graph.transpose(&pooled, &[0, 3, 1, 2])
    }

    fn map_of_places(&mut self, numbers: Value) -> Value {
        self.graph.transpose(&numbers, &[0, 2, 3, 1])
    }
}
