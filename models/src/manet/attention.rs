//! CBAM: a gate per channel, then a gate per place (spec section 2.2).

use super::blocks::{Builder, ConvShape};
use super::layout::Block;
use super::parameters::WIDE_KERNEL;
use crate::Result;
use crate::onnx::Value;

impl Builder<'_> {
    /// `x` [N, C, H, W] times its channel gate, that times its spatial gate.
    pub(super) fn attention(&mut self, block: &Block, x: &Value) -> Result<Value> {
        let gate = self.channel_gate(block, x)?;
        let x = self.graph.mul(x, &gate);
        let gate = self.spatial_gate(block, &x)?;
        Ok(self.graph.mul(&x, &gate))
    }

    /// sigmoid(mlp(mean over places) + mlp(maximum over places)): [N, C, 1, 1].
    fn channel_gate(&mut self, block: &Block, x: &Value) -> Result<Value> {
        // Mean and maximum as two rows, so that the MLP's weights are in the file once.
        let g = &mut self.graph;
        let mean = g.mean(x, &[2, 3], false);
        let mean = g.unsqueeze(&mean, 1);
        let max = g.max(x, &[2, 3], false);
        let max = g.unsqueeze(&max, 1);
        let pooled = g.concat(&[&mean, &max], 1);
        let gate = self.channel_gate_of(block, &pooled)?;
        Ok(self.graph.reshape(&gate, &[-1, block.outputs as i64, 1, 1]))
    }

    /// The channel gate [N, 1, C] of a map whose mean and maximum over places are `pooled` [N, 2, C].
    pub(super) fn channel_gate_of(&mut self, block: &Block, pooled: &Value) -> Result<Value> {
        let key = format!("{}.cbam.ChannelGate.mlp", block.key);
        let (channels, hidden) = (block.outputs, block.gate());
        let inner = self.linear(&format!("{key}.1"), pooled, channels, hidden)?;
        let inner = self.graph.relu(&inner);
        let rows = self.linear(&format!("{key}.3"), &inner, hidden, channels)?;
        let g = &mut self.graph;
        let mean = g.slice(&rows, 1, 0, 1);
        let max = g.slice(&rows, 1, 1, 2);
        let sum = g.add(&mean, &max);
        Ok(g.sigmoid(&sum))
    }

    /// sigmoid(norm(conv([maximum over channels, mean over channels]))): [N, 1, H, W].
    fn spatial_gate(&mut self, block: &Block, x: &Value) -> Result<Value> {
        let max = self.graph.max(x, &[1], true);
        let mean = self.graph.mean(x, &[1], true);
        let pooled = self.graph.concat(&[&max, &mean], 1);
        self.spatial_gate_of(block, &pooled)
    }

    /// The spatial gate [N, 1, H, W] of a map whose maximum and mean over channels are `pooled` [N, 2, H, W].
    pub(super) fn spatial_gate_of(&mut self, block: &Block, pooled: &Value) -> Result<Value> {
        let key = format!("{}.cbam.SpatialGate.spatial", block.key);
        let shape = ConvShape { inputs: 2, outputs: 1, kernel: WIDE_KERNEL, stride: 1 };
        let gate = self.conv(&format!("{key}.conv"), &format!("{key}.bn"), pooled, shape)?;
        Ok(self.graph.sigmoid(&gate))
    }
}
