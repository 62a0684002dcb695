//! Self-attention with gated relative position bias.

use std::sync::Arc;

use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use super::constants::Constants;
use super::{Data, Node, Operator};
use mien_kernel::{GatedAttention, Isa};

/// Projections [T, 3 H W] and stream [T, H W] -> [T, H W].
#[derive(Clone, Copy, Debug)]
pub(super) struct Attention {
    heads: usize,
    width: usize,
    /// Whether bfloat16 is precise enough.
    halves: bool,
}

impl Attention {
    pub(super) fn read(node: &NodeProto) -> TractResult<Arc<dyn Node>> {
        let halves = node.get_attr_opt::<usize>("halves")?.unwrap_or(0) != 0;
        Ok(Arc::new(Self { heads: node.get_attr("heads")?, width: node.get_attr("width")?, halves }))
    }
}

impl Node for Attention {
    fn data(&self) -> usize {
        2
    }

    fn shape(&self, data: &[TVec<TDim>]) -> TractResult<TVec<TDim>> {
        let (Some([frames, projected]), Some([rows, hidden])) =
            (data.first().map(|s| s.as_slice()), data.get(1).map(|s| s.as_slice()))
        else {
            bail!("expected two inputs with two axes, found {data:?}")
        };
        let expected = (self.heads * self.width).to_dim();
        ensure!(
            frames == rows && *hidden == expected && *projected == expected.clone() * 3,
            "expected [T, {}] and [T, {expected}], found {data:?}",
            expected.clone() * 3
        );
        Ok(tvec!(rows.clone(), hidden.clone()))
    }

    fn with(&self, mut constants: Constants<'_>) -> TractResult<Arc<dyn Operator>> {
        let Self { heads, width, halves } = *self;
        let table = constants.floats("table", None)?;
        let gate_weight = constants.floats("gate weights", Some(2 * width))?;
        let gate_bias = constants.floats("gate bias", Some(2))?;
        let gate_constant = constants.floats("gate constants", Some(heads))?;
        let gate_bias = <[f32; 2]>::try_from(gate_bias).unwrap_or_default();
        let attention = GatedAttention { heads, width, table, gate_weight, gate_bias, gate_constant, halves };
        if !attention.is_sound() {
            return Err(constants.fault("table", format!("expected [{heads}, an odd number]")));
        }
        Ok(Arc::new(Ready(attention)))
    }
}

#[derive(Debug)]
pub(super) struct Ready(GatedAttention);

impl Operator for Ready {
    fn run(&self, data: &[Data<'_>], out: &mut [f32]) -> TractResult<()> {
        let (Some(projected), Some(stream)) = (data.first(), data.get(1)) else { bail!("an input is missing") };
        self.0.run(projected.values, stream.values, out, Isa::best());
        Ok(())
    }
}
