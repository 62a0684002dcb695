//! Layer norm in one pass.

use std::sync::Arc;

use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use super::constants::Constants;
use super::{Data, Node, Operator};
use mien_kernel::{Isa, Norm};

/// Over the last axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct LayerNorm {
    width: usize,
    epsilon: f32,
}

impl LayerNorm {
    pub(super) fn read(node: &NodeProto) -> TractResult<Arc<dyn Node>> {
        Ok(Arc::new(Self { width: node.get_attr("width")?, epsilon: node.get_attr("epsilon")? }))
    }
}

impl Node for LayerNorm {
    fn data(&self) -> usize {
        1
    }

    fn shape(&self, data: &[TVec<TDim>]) -> TractResult<TVec<TDim>> {
        let shape = data.first().context("no input")?;
        ensure!(shape.last() == Some(&self.width.to_dim()), "expected rows of {}, found {shape:?}", self.width);
        Ok(shape.clone())
    }

    fn with(&self, mut constants: Constants<'_>) -> TractResult<Arc<dyn Operator>> {
        let gain = constants.floats("gain", Some(self.width))?;
        let bias = constants.floats("bias", Some(self.width))?;
        Ok(Arc::new(Ready { gain, bias, epsilon: self.epsilon }))
    }
}

#[derive(Debug)]
pub(super) struct Ready {
    gain: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl Operator for Ready {
    fn run(&self, data: &[Data<'_>], out: &mut [f32]) -> TractResult<()> {
        out.copy_from_slice(data.first().context("no input")?.values);
        let norm = Norm::new(&self.gain, &self.bias, self.epsilon).context("a norm of no numbers")?;
        norm.run(out, Isa::best());
        Ok(())
    }
}
