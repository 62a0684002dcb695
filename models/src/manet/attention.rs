//! CBAM: a gate per channel, then a gate per place (spec section 2.2).

use super::layout::Block;
use super::maps::{Builder, Convolution, Maps};
use super::parameters::WIDE_KERNEL;
use crate::Result;
use crate::onnx::Value;

impl<O> Builder<'_, O>
where
    Self: Maps,
{
    /// The map `x` times its channel gate, that times its spatial gate.
    pub(super) fn attention(&mut self, block: &Block, x: &Value) -> Result<Value> {
        let gate = self.channel_gate(block, x)?;
        let x = self.graph.mul(x, &gate);
        let gate = self.spatial_gate(block, &x)?;
        Ok(self.graph.mul(&x, &gate))
    }

    /// sigmoid(mlp(mean over places) + mlp(maximum over places)), a map of one place.
    fn channel_gate(&mut self, block: &Block, x: &Value) -> Result<Value> {
        let key = format!("{}.cbam.ChannelGate.mlp", block.key);
        let (channels, hidden) = (block.outputs, block.gate());
        // Mean and maximum as two rows, so that the MLP's weights are in the file once.
        let pooled = self.pooled_over_places(x);
        let inner = self.linear(&format!("{key}.1"), &pooled, channels, hidden)?;
        let inner = self.graph.relu(&inner);
        let rows = self.linear(&format!("{key}.3"), &inner, hidden, channels)?;
        let g = &mut self.graph;
        let mean = g.slice(&rows, 1, 0, 1);
        let max = g.slice(&rows, 1, 1, 2);
        let sum = g.add(&mean, &max);
        let gate = g.sigmoid(&sum);
        let mut axes = [-1, 1, 1, 1];
        axes[Self::CHANNELS] = channels as i64;
        Ok(g.reshape(&gate, &axes))
    }

    /// sigmoid(norm(conv([maximum over channels, mean over channels]))), a map of one channel. The convolution is
    /// standard in any network: it has two channels.
    fn spatial_gate(&mut self, block: &Block, x: &Value) -> Result<Value> {
        let key = format!("{}.cbam.SpatialGate.spatial", block.key);
        let pooled = self.pooled_over_channels(x);
        let conv = Convolution {
            name: &format!("{key}.conv"),
            norm: &format!("{key}.bn"),
            inputs: 2,
            outputs: 1,
            kernel: WIDE_KERNEL,
            stride: 1,
        };
        let gate = self.conv2d(conv, &pooled)?;
        let gate = self.graph.sigmoid(&gate);
        Ok(self.map_of_places(gate))
    }
}
