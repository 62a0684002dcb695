//! Layers by the authors' key: weights are fetched from the checkpoint and written as nodes.

use crate::Result;
use crate::onnx::{Graph, Value};
use crate::tensor::NamedTensors;

/// A graph under construction together with the tensors that fill it.
pub(super) struct Builder<'a> {
    pub(super) graph: Graph,
    tensors: &'a NamedTensors,
}

impl<'a> Builder<'a> {
    pub(super) fn new(graph: Graph, tensors: &'a NamedTensors) -> Self {
        Self { graph, tensors }
    }

    /// The tensor `key` as a constant of the shape `written`.
    pub(super) fn constant(&mut self, key: &str, shape: &[usize], written: &[usize]) -> Result<Value> {
        let data = self.tensors.get(key, shape)?;
        self.graph.weight(key, written, &data)
    }

    /// Lin(inputs, outputs) on the last axis.
    pub(super) fn linear(&mut self, key: &str, x: &Value, inputs: usize, outputs: usize) -> Result<Value> {
        let weight = self.tensors.get(&format!("{key}.weight"), &[outputs, inputs])?;
        let bias = self.tensors.get(&format!("{key}.bias"), &[outputs])?;
        self.graph.scoped(key, |g| g.linear(x, &weight, &bias, inputs))
    }

    /// Lin and ReLU per entry of `outputs`, also after the last (spec section 3); dropout is the identity here.
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
