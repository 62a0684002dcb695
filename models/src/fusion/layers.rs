//! Layers by the authors' key: weights are fetched from the checkpoint and written as nodes.
//!
//! Rows of a sequence are projected and mapped to keys in f32, in short sums. From the attention on a clip is a handful
//! of rows, and everything is f64: that costs a few milliseconds, and rounding does not add up over a dozen layers.

use super::config::Inner;
use crate::Result;
use crate::onnx::{Attr, Graph, Value};
use crate::tensor::NamedTensors;

/// ONNX's numbers of element types, for Cast.
const FLOAT: i64 = 1;
const DOUBLE: i64 = 11;

/// Inputs that are summed in f32 at a time. Matrix kernels add one product after the other, so the rounding error of a
/// sum grows with its length.
const BLOCK: usize = 64;

/// A graph under construction together with the tensors that fill it.
pub(super) struct Builder<'a> {
    pub(super) graph: Graph,
    pub(super) inner: Inner,
    tensors: &'a NamedTensors,
}

impl<'a> Builder<'a> {
    pub(super) fn new(graph: Graph, inner: Inner, tensors: &'a NamedTensors) -> Self {
        Self { graph, inner, tensors }
    }

    /// The tensor `key` of `shape` as an f64 constant of the shape `written`.
    pub(super) fn constant(&mut self, key: &str, shape: &[usize], written: &[usize]) -> Result<Value> {
        let data = self.tensors.get(key, shape)?;
        let value = self.graph.weight(key, written, &data)?;
        Ok(widened(&mut self.graph, &value))
    }

    /// Lin(inputs, outputs) on the last axis of f32 rows; f64.
    ///
    /// Products run in f32 over [`BLOCK`] inputs at a time and are summed in f64.
    pub(super) fn sequence_linear(&mut self, key: &str, x: &Value, inputs: usize, outputs: usize) -> Result<Value> {
        let weight = self.tensors.get(&format!("{key}.weight"), &[outputs, inputs])?;
        let bias = self.tensors.get(&format!("{key}.bias"), &[outputs])?;
        self.graph.scoped(key, |g| {
            let bias = g.weight("bias", &[outputs], &bias)?;
            let mut sum = widened(g, &bias);
            for start in (0..inputs).step_by(BLOCK) {
                let end = inputs.min(start + BLOCK);
                let columns: Vec<f32> =
                    (start..end).flat_map(|i| weight.iter().skip(i).step_by(inputs)).copied().collect();
                let columns = g.weight("weight", &[end - start, outputs], &columns)?;
                let part = g.slice(x, -1, start as i64, end as i64);
                let part = g.matmul(&part, &columns);
                let part = widened(g, &part);
                sum = g.add(&sum, &part);
            }
            Ok(sum)
        })
    }

    /// Lin(inputs, outputs) on the last axis, f64. The file holds the weights as f32; they are widened on loading.
    pub(super) fn linear(&mut self, key: &str, x: &Value, inputs: usize, outputs: usize) -> Result<Value> {
        let weight = self.tensors.get(&format!("{key}.weight"), &[outputs, inputs])?;
        let bias = self.tensors.get(&format!("{key}.bias"), &[outputs])?;
        self.graph.scoped(key, |g| {
            let weight = g.weight("weight", &[outputs, inputs], &weight)?;
            let weight = widened(g, &weight);
            let weight = g.transpose(&weight, &[1, 0]);
            let bias = g.weight("bias", &[outputs], &bias)?;
            let bias = widened(g, &bias);
            let product = g.matmul(x, &weight);
            Ok(g.add(&product, &bias))
        })
    }

    /// Lin and ReLU per entry of `outputs`, also after the last (spec section 3); dropout is the identity here. f64.
    pub(super) fn mlp(&mut self, key: &str, x: &Value, inputs: usize, outputs: &[usize]) -> Result<Value> {
        let mut width = inputs;
        let mut value = x.clone();
        for (i, &next) in outputs.iter().enumerate() {
            let sum = self.linear(&format!("{key}.{}", 3 * i), &value, width, next)?;
            value = self.graph.relu(&sum);
            width = next;
        }
        Ok(value)
    }
}

/// f32 as f64.
pub(super) fn widened(graph: &mut Graph, x: &Value) -> Value {
    graph.node("Cast", &[x], &[Attr::Int("to", DOUBLE)])
}

/// f64 as f32.
pub(super) fn narrowed(graph: &mut Graph, x: &Value) -> Value {
    graph.node("Cast", &[x], &[Attr::Int("to", FLOAT)])
}
