//! The three residual blocks.

use super::layout::{Block, Kind, SCALES, Stage};
use super::maps::{Builder, Convolution, Maps, RELU, Then};
use crate::Result;
use crate::onnx::Value;

impl<O> Builder<'_, O>
where
    Self: Maps,
{
    /// The stages of a branch one after another.
    pub(super) fn stages(&mut self, stages: &[Stage], x: &Value) -> Result<Value> {
        stages.iter().flat_map(Stage::blocks).try_fold(x.clone(), |x, block| self.block(&block, &x))
    }

    fn block(&mut self, block: &Block, x: &Value) -> Result<Value> {
        let Block { key, kind, inputs, outputs, stride } = block;
        let first = Convolution {
            name: &format!("{key}.conv1"),
            norm: &format!("{key}.bn1"),
            inputs: *inputs,
            outputs: *outputs,
            kernel: 3,
            stride: *stride,
        };
        let inner = self.conv(first, x, RELU)?;
        // Before the last convolution, which may take it in.
        let identity = if block.has_downsample() {
            let (name, norm) = (&format!("{key}.downsample.0"), &format!("{key}.downsample.1"));
            self.conv(Convolution { name, norm, kernel: 1, ..first }, x, Then::default())?
        } else {
            x.clone()
        };
        let second = Convolution {
            name: &format!("{key}.conv2"),
            norm: &format!("{key}.bn2"),
            inputs: *outputs,
            stride: 1,
            ..first
        };
        let out = match kind {
            Kind::Basic => return self.conv(second, &inner, Then { residual: Some(&identity), ..RELU }),
            Kind::Attention => {
                let out = self.conv(second, &inner, Then::default())?;
                self.attention(block, &out)?
            }
            Kind::MultiScale => self.scales(block, &inner)?,
        };
        let sum = self.graph.add(&out, &identity);
        Ok(self.graph.relu(&sum))
    }

    /// The sum of two chains over the channel groups s_1..s_4: o_1 = f(s_1), o_k = f(relu(o_(k-1)) + s_k), joined
    /// before any ReLU.
    fn scales(&mut self, block: &Block, x: &Value) -> Result<Value> {
        let group = block.group() as i64;
        let slice = |k| self.graph.slice(x, Self::CHANNELS as i64, k * group, (k + 1) * group);
        let groups: Vec<Value> = (0..SCALES as i64).map(slice).collect();
        let first = self.chain(block, 1, &groups)?;
        let second = self.chain(block, 2, &groups)?;
        Ok(self.graph.add(&first, &second))
    }

    fn chain(&mut self, block: &Block, chain: usize, groups: &[Value]) -> Result<Value> {
        let key = &block.key;
        let mut outputs: Vec<Value> = Vec::with_capacity(SCALES);
        for (k, group) in groups.iter().enumerate() {
            let input = match outputs.last() {
                None => group.clone(),
                Some(previous) => {
                    let previous = self.graph.relu(previous);
                    self.graph.add(&previous, group)
                }
            };
            let scale = format!("{chain}_2_{}", k + 1);
            let conv = Convolution {
                name: &format!("{key}.conv{scale}"),
                norm: &format!("{key}.bn{scale}"),
                inputs: block.group(),
                outputs: block.group(),
                kernel: 3,
                stride: 1,
            };
            outputs.push(self.conv(conv, &input, Then::default())?);
        }
        Ok(self.graph.concat(&outputs.iter().collect::<Vec<_>>(), Self::CHANNELS as i64))
    }
}
