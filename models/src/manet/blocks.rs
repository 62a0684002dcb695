//! The three residual blocks.

use super::layout::{Block, Kind, SCALES, Stage};
use crate::Result;
use crate::onnx::{BatchNorm, Conv2d, Graph, Value};
use crate::tensor::NamedTensors;

/// Of every normalisation.
const EPSILON: f64 = 1e-5;

/// A graph under construction together with the tensors that fill it.
pub(super) struct Builder<'a> {
    pub(super) graph: Graph,
    tensors: &'a NamedTensors,
}

/// Sizes of a convolution that keeps the map's size up to its stride.
#[derive(Clone, Copy)]
pub(super) struct ConvShape {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
}

impl<'a> Builder<'a> {
    pub(super) fn new(graph: Graph, tensors: &'a NamedTensors) -> Self {
        Self { graph, tensors }
    }

    /// Convolution `conv` with the normalisation `norm` folded in.
    pub(super) fn conv(&mut self, conv: &str, norm: &str, x: &Value, shape: ConvShape) -> Result<Value> {
        let ConvShape { inputs, kernel, stride, .. } = shape;
        let (weight, bias) = folded(self.tensors, conv, norm, shape)?;
        let conv2d = Conv2d { weight, bias, inputs, kernel, stride, padding: kernel / 2 };
        self.graph.scoped(conv, |g| g.conv2d(x, &conv2d))
    }

    /// Lin(inputs, outputs) on the last axis.
    pub(super) fn linear(&mut self, key: &str, x: &Value, inputs: usize, outputs: usize) -> Result<Value> {
        let weight = self.tensors.get(&format!("{key}.weight"), &[outputs, inputs])?;
        let bias = self.tensors.get(&format!("{key}.bias"), &[outputs])?;
        self.graph.scoped(key, |g| g.linear(x, &weight, &bias, inputs))
    }

    /// The stages of a branch one after another.
    pub(super) fn stages(&mut self, stages: &[Stage], x: &Value) -> Result<Value> {
        stages.iter().flat_map(Stage::blocks).try_fold(x.clone(), |x, block| self.block(&block, &x))
    }

    fn block(&mut self, block: &Block, x: &Value) -> Result<Value> {
        let Block { key, inputs, outputs, stride, .. } = block;
        let first = ConvShape { inputs: *inputs, outputs: *outputs, kernel: 3, stride: *stride };
        let out = self.conv(&format!("{key}.conv1"), &format!("{key}.bn1"), x, first)?;
        let out = self.graph.relu(&out);
        let out = match block.kind {
            Kind::Basic => self.second(block, &out)?,
            Kind::Attention => {
                let out = self.second(block, &out)?;
                self.attention(block, &out)?
            }
            Kind::MultiScale => self.scales(block, &out)?,
        };
        let identity = if block.has_downsample() {
            let shape = ConvShape { kernel: 1, ..first };
            self.conv(&format!("{key}.downsample.0"), &format!("{key}.downsample.1"), x, shape)?
        } else {
            x.clone()
        };
        let sum = self.graph.add(&out, &identity);
        Ok(self.graph.relu(&sum))
    }

    fn second(&mut self, block: &Block, x: &Value) -> Result<Value> {
        let Block { key, outputs, .. } = block;
        let shape = ConvShape { inputs: *outputs, outputs: *outputs, kernel: 3, stride: 1 };
        self.conv(&format!("{key}.conv2"), &format!("{key}.bn2"), x, shape)
    }

    /// The sum of two chains over the channel groups s_1..s_4: o_1 = f(s_1), o_k = f(relu(o_(k-1)) + s_k), joined
    /// before any ReLU.
    fn scales(&mut self, block: &Block, x: &Value) -> Result<Value> {
        let group = block.group();
        let groups: Vec<Value> =
            (0..SCALES as i64).map(|k| self.graph.slice(x, 1, k * group as i64, (k + 1) * group as i64)).collect();
        let first = self.chain(block, 1, &groups)?;
        let second = self.chain(block, 2, &groups)?;
        Ok(self.graph.add(&first, &second))
    }

    fn chain(&mut self, block: &Block, chain: usize, groups: &[Value]) -> Result<Value> {
        let key = &block.key;
        let shape = ConvShape { inputs: block.group(), outputs: block.group(), kernel: 3, stride: 1 };
        let mut outputs: Vec<Value> = Vec::with_capacity(SCALES);
        for (k, group) in groups.iter().enumerate() {
            let input = match outputs.last() {
                None => group.clone(),
                Some(previous) => {
                    let previous = self.graph.relu(previous);
                    self.graph.add(&previous, group)
                }
            };
            let name = format!("{chain}_2_{}", k + 1);
            outputs.push(self.conv(&format!("{key}.conv{name}"), &format!("{key}.bn{name}"), &input, shape)?);
        }
        Ok(self.graph.concat(&outputs.iter().collect::<Vec<_>>(), 1))
    }
}

/// Weight [out, in, kernel, kernel] and bias `[out]` of convolution `conv` with the normalisation `norm` folded in.
pub(super) fn folded(tensors: &NamedTensors, conv: &str, norm: &str, shape: ConvShape) -> Result<(Vec<f32>, Vec<f32>)> {
    let ConvShape { inputs, outputs, kernel, .. } = shape;
    let raw = tensors.get(&format!("{conv}.weight"), &[outputs, inputs, kernel, kernel])?;
    let channel = |part: &str| tensors.get(&format!("{norm}.{part}"), &[outputs]);
    let (gain, bias) = (channel("weight")?, channel("bias")?);
    let (mean, variance) = (channel("running_mean")?, channel("running_var")?);
    let norm = BatchNorm { gain: &gain, bias: &bias, mean: &mean, variance: &variance, epsilon: EPSILON };
    norm.fold(conv, &raw)
}
