//! Maps and the layers on them, whatever operators they are written in.

use crate::Result;
use crate::onnx::{BatchNorm, Conv2d, Graph, Value};
use crate::tensor::NamedTensors;
use mien_kernel::Activation;

/// Of every normalisation.
const EPSILON: f64 = 1e-5;

/// A graph under construction, the tensors that fill it, and the operators that its layers are written in.
pub(super) struct Builder<'a, O> {
    pub(super) graph: Graph,
    pub(super) tensors: &'a NamedTensors,
    pub(super) operators: O,
}

/// A convolution without bias that keeps the map's size up to its stride, and the normalisation that is folded into it.
#[derive(Clone, Copy)]
pub(super) struct Convolution<'a> {
    pub(super) name: &'a str,
    pub(super) norm: &'a str,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Side of the square kernel.
    pub(super) kernel: usize,
    pub(super) stride: usize,
}

/// What follows a convolution, in this order.
#[derive(Clone, Copy, Default)]
pub(super) struct Then<'a> {
    /// Added to it.
    pub(super) residual: Option<&'a Value>,
    /// Applied last.
    pub(super) activation: Activation,
}

/// A ReLU alone.
pub(super) const RELU: Then<'static> = Then { residual: None, activation: Activation::Relu };

/// Maps of one layout, and what depends on it.
pub(super) trait Maps {
    /// The axis of channels.
    const CHANNELS: usize;
    /// The axes of places: vertical, horizontal.
    const PLACES: [i64; 2];

    /// A face [N, 3, H, W] as a map.
    fn map_of_face(&mut self, face: &Value) -> Value;
    /// The convolution and what follows it.
    fn conv(&mut self, conv: Convolution<'_>, x: &Value, then: Then<'_>) -> Result<Value>;
    /// The largest value per window; padding never wins.
    fn max_pool(&mut self, x: &Value, kernel: usize, stride: usize, padding: usize) -> Value;
    /// Mean and maximum over places, [N, 2, C].
    fn pooled_over_places(&mut self, x: &Value) -> Value;
    /// Maximum and mean over channels, [N, 2, H, W].
    fn pooled_over_channels(&mut self, x: &Value) -> Value;
    /// Numbers [N, 1, H, W] as a map of one channel.
    fn map_of_places(&mut self, numbers: Value) -> Value;
}

impl<O> Builder<'_, O> {
    /// The convolution in standard operators: channels of `x` come before places.
    pub(super) fn conv2d(&mut self, conv: Convolution<'_>, x: &Value) -> Result<Value> {
        let Convolution { name, inputs, kernel, stride, .. } = conv;
        let (weight, bias) = conv.folded(self.tensors)?;
        let conv2d = Conv2d { weight, bias, inputs, kernel, stride, padding: kernel / 2 };
        self.graph.scoped(name, |g| g.conv2d(x, &conv2d))
    }

    /// Lin(inputs, outputs) on the last axis.
    pub(super) fn linear(&mut self, key: &str, x: &Value, inputs: usize, outputs: usize) -> Result<Value> {
        let weight = self.tensors.get(&format!("{key}.weight"), &[outputs, inputs])?;
        let bias = self.tensors.get(&format!("{key}.bias"), &[outputs])?;
        self.graph.scoped(key, |g| g.linear(x, &weight, &bias, inputs))
    }
}

impl Convolution<'_> {
    /// Weight [out, in, kernel, kernel] and bias `[out]` with the normalisation folded in.
    pub(super) fn folded(&self, tensors: &NamedTensors) -> Result<(Vec<f32>, Vec<f32>)> {
        let Self { name, norm, inputs, outputs, kernel, .. } = *self;
        let raw = tensors.get(&format!("{name}.weight"), &[outputs, inputs, kernel, kernel])?;
        let channel = |part: &str| tensors.get(&format!("{norm}.{part}"), &[outputs]);
        let (gain, bias) = (channel("weight")?, channel("bias")?);
        let (mean, variance) = (channel("running_mean")?, channel("running_var")?);
        let norm = BatchNorm { gain: &gain, bias: &bias, mean: &mean, variance: &variance, epsilon: EPSILON };
        norm.fold(name, &raw)
    }
}
