//! The largest value of each window of a map whose channels lie last.

use std::sync::Arc;

use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use super::constants::Constants;
use super::{Data, Node, Operator};

/// x [N, H, W, C] -> [N, H', W', C]; what lies around a map never wins.
#[derive(Clone, Copy, Debug)]
pub(super) struct MaxPool {
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl MaxPool {
    pub(super) fn read(node: &NodeProto) -> TractResult<Arc<dyn Node>> {
        let new = Self {
            kernel: node.get_attr("kernel")?,
            stride: node.get_attr("stride")?,
            padding: node.get_attr("padding")?,
        };
        let Self { kernel, stride, padding } = new;
        ensure!(stride > 0 && padding < kernel && kernel < 1 << 16, "a window that cannot be: {new:?}");
        Ok(Arc::new(new))
    }
}

impl Node for MaxPool {
    fn data(&self) -> usize {
        1
    }

    fn shape(&self, data: &[TVec<TDim>]) -> TractResult<TVec<TDim>> {
        let Some([count, height, width, channels]) = data.first().map(|shape| shape.as_slice()) else {
            bail!("expected [N, H, W, C], found {data:?}")
        };
        let along = |length: &TDim| (length.clone() + 2 * self.padding - self.kernel) / self.stride + 1;
        Ok(tvec!(count.clone(), along(height), along(width), channels.clone()))
    }

    fn with(&self, _: Constants<'_>) -> TractResult<Arc<dyn Operator>> {
        Ok(Arc::new(*self))
    }
}

impl Operator for MaxPool {
    fn run(&self, data: &[Data<'_>], out: &mut [f32]) -> TractResult<()> {
        let Self { kernel, stride, padding } = *self;
        let Data { shape: &[count, height, width, channels], values } = *data.first().context("no input")? else {
            bail!("expected four axes")
        };
        ensure!(height * width * channels > 0, "an empty map");
        ensure!(height + 2 * padding >= kernel && width + 2 * padding >= kernel, "a map smaller than the window");
        let (lines, points) =
            ((height + 2 * padding - kernel) / stride + 1, (width + 2 * padding - kernel) / stride + 1);
        let expected = count * lines * points * channels;
        ensure!(out.len() == expected, "room for {} numbers, expected {expected}", out.len());
        // A window's part inside the map; the padding is smaller than the window, so it is never empty.
        let inside = |at: usize, length: usize| {
            let begin = at * stride;
            (begin.max(padding) - padding)..(begin + kernel - padding).min(length)
        };
        let maps = values.chunks_exact(height * width * channels);
        for (map, out) in maps.zip(out.chunks_exact_mut(lines * points * channels)) {
            for (i, out) in out.chunks_exact_mut(channels).enumerate() {
                out.fill(f32::NEG_INFINITY);
                for y in inside(i / points, height) {
                    for x in inside(i % points, width) {
                        let point = &map[(y * width + x) * channels..][..channels];
                        // NaN must come through: it is not smaller than what is there.
                        out.iter_mut().zip(point).for_each(|(out, v)| *out = if *v < *out { *out } else { *v });
                    }
                }
            }
        }
        Ok(())
    }
}
