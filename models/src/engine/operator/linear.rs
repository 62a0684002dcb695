//! A matrix product over bytes with what follows it.

use std::sync::Arc;

use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use super::constants::Constants;
use super::{Data, Node, Operator};
use crate::kernel::{Activation, Finish, Isa, Lines, PackedWeight, Quantised, product};

/// x [.., inputs] -> [.., outputs].
#[derive(Clone, Copy, Debug)]
pub(super) struct Linear {
    inputs: usize,
    outputs: usize,
    residual: bool,
    activation: Activation,
}

impl Linear {
    pub(super) fn read(node: &NodeProto) -> TractResult<Arc<dyn Node>> {
        Ok(Arc::new(Self {
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
        let mut weights = constants.weights(1, self.outputs, 1, self.inputs.next_multiple_of(4))?;
        let weight = weights.pop().ok_or_else(|| constants.fault("weights", "none".into()))?;
        let bias = constants.floats("bias", Some(self.outputs))?;
        Ok(Arc::new(Ready { node: *self, weight, bias, isa: Isa::best() }))
    }
}

#[derive(Debug)]
struct Ready {
    node: Linear,
    weight: PackedWeight,
    bias: Vec<f32>,
    isa: Isa,
}

impl Operator for Ready {
    fn run(&self, data: &[Data<'_>], out: &mut [f32]) -> TractResult<()> {
        let x = data.first().context("no input")?.values;
        let width = self.weight.segment();
        let rows = Quantised::by_row(x, self.node.inputs, width, self.isa);
        let residual = data.get(1).map_or(&[][..], |residual| residual.values);
        let finish = Finish { bias: &self.bias, residual, activation: self.node.activation, ..Finish::default() };
        let lines = Lines::matrix(x.len() / self.node.inputs, width);
        product::product(&rows, lines, &self.weight, finish, out, self.isa);
        Ok(())
    }
}
