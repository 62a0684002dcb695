//! Maps in standard operators, which any ONNX runtime has: [N, C, H, W].

use super::maps::{Builder, Convolution, Maps, Then};
use crate::Result;
use crate::onnx::Value;

/// Standard operators, in `f32`.
pub(super) struct Standard;

impl Maps for Builder<'_, Standard> {
    const CHANNELS: usize = 1;
    const PLACES: [i64; 2] = [2, 3];

    fn map_of_face(&mut self, face: &Value) -> Value {
        face.clone()
    }

    fn conv(&mut self, conv: Convolution<'_>, x: &Value, then: Then<'_>) -> Result<Value> {
        let y = self.conv2d(conv, x)?;
        let y = match then.residual {
            Some(residual) => self.graph.add(&y, residual),
            None => y,
        };
        Ok(self.graph.activation(y, then.activation))
    }

    fn max_pool(&mut self, x: &Value, kernel: usize, stride: usize, padding: usize) -> Value {
        self.graph.max_pool(x, kernel, stride, padding)
    }

    fn pooled_over_places(&mut self, x: &Value) -> Value {
        let g = &mut self.graph;
        let mean = g.mean(x, &Self::PLACES, false);
        let mean = g.unsqueeze(&mean, 1);
        let max = g.max(x, &Self::PLACES, false);
        let max = g.unsqueeze(&max, 1);
        g.concat(&[&mean, &max], 1)
    }

    fn pooled_over_channels(&mut self, x: &Value) -> Value {
        let max = self.graph.max(x, &[1], true);
        let mean = self.graph.mean(x, &[1], true);
        self.graph.concat(&[&max, &mean], 1)
    }

    fn map_of_places(&mut self, numbers: Value) -> Value {
        numbers
    }
}
