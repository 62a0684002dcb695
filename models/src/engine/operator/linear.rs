//! A matrix product over bytes or floats with what follows it.

use std::sync::Arc;

use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use super::constants::Constants;
use super::{Data, Node, Operator, names};
use crate::onnx::Numbers;
use mien_kernel::{Activation, Finish, Isa, Lines, PackedMatrix, PackedWeight, floats, product};

/// x [.., inputs] -> [.., outputs].
#[derive(Clone, Copy, Debug)]
pub(super) struct Linear {
    numbers: Numbers,
    inputs: usize,
    outputs: usize,
    residual: bool,
    activation: Activation,
}

impl Linear {
    pub(super) fn read(node: &NodeProto) -> TractResult<Arc<dyn Node>> {
        Ok(Arc::new(Self {
            numbers: names::numbers(&node.op_type).context("no product")?,
            inputs: node.get_attr("inputs")?,
            outputs: node.get_attr("outputs")?,
            residual: node.get_attr_opt::<usize>("residual")?.unwrap_or(0) != 0,
            activation: activation(node)?,
        }))
    }
}

/// The attribute `activation`, as [`crate::onnx`] writes it.
pub(super) fn activation(node: &NodeProto) -> TractResult<Activation> {
    match node.get_attr_opt::<usize>("activation")?.unwrap_or(0) {
        0 => Ok(Activation::None),
        1 => Ok(Activation::Relu),
        2 => Ok(Activation::Gelu),
        other => bail!("activation: expected 0, 1 or 2, found {other}"),
    }
}

impl Node for Linear {
    fn data(&self) -> usize {
        1 + usize::from(self.residual)
    }

    fn shape(&self, data: &[TVec<TDim>]) -> TractResult<TVec<TDim>> {
        let mut shape = data.first().context("no input")?.clone();
        let last = shape.last_mut().context("an input without axes")?;
        ensure!(*last == self.inputs.to_dim(), "expected rows of {}, found {last}", self.inputs);
        *last = self.outputs.to_dim();
        if let Some(residual) = data.get(1) {
            ensure!(*residual == shape, "residual: expected {shape:?}, found {residual:?}");
        }
        Ok(shape)
    }

    fn with(&self, mut constants: Constants<'_>) -> TractResult<Arc<dyn Operator>> {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let weight = match self.numbers {
            Numbers::Bytes => constants.weights(1, outputs, 1, inputs.next_multiple_of(4))?.pop().map(Weight::Bytes),
            Numbers::Floats => constants.matrices(1, outputs, 1, inputs)?.pop().map(Weight::Floats),
        };
        let weight = weight.ok_or_else(|| constants.fault("weights", "none".into()))?;
        let bias = constants.floats("bias", Some(self.outputs))?;
        Ok(Arc::new(Ready { node: *self, weight, bias, isa: Isa::best() }))
    }
}

#[derive(Debug)]
enum Weight {
    Bytes(PackedWeight),
    Floats(PackedMatrix),
}

#[derive(Debug)]
pub(super) struct Ready {
    node: Linear,
    weight: Weight,
    bias: Vec<f32>,
    isa: Isa,
}

impl Operator for Ready {
    fn run(&self, data: &[Data<'_>], out: &mut [f32]) -> TractResult<()> {
        let x = data.first().context("no input")?.values;
        let inputs = self.node.inputs;
        let rows = x.len() / inputs.max(1);
        let residual = data.get(1).map_or(&[][..], |residual| residual.values);
        let finish = Finish { bias: &self.bias, residual, activation: self.node.activation, ..Finish::default() };
        match &self.weight {
            Weight::Bytes(weight) => product::linear(x, inputs, weight, finish, out, self.isa),
            Weight::Floats(matrix) => floats::product(x, Lines::matrix(rows, inputs), matrix, finish, out, self.isa),
        }
        Ok(())
    }
}
