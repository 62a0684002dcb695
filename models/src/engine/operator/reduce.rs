//! Mean and largest value of a map whose channels lie last, over places or over channels, in one pass.

use std::sync::Arc;

use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use super::constants::Constants;
use super::{Data, Node, Operator};

/// x [N, H, W, C] -> [N, 2, C], means before largest values, or [N, H, W, 2], largest values before means. The orders are
/// those in which a channel gate and a spatial gate take them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pooled {
    over_places: bool,
}

impl Pooled {
    pub(super) fn read(node: &NodeProto) -> TractResult<Arc<dyn Node>> {
        Ok(Arc::new(Self { over_places: node.get_attr::<usize>("over_places")? != 0 }))
    }
}

impl Node for Pooled {
    fn data(&self) -> usize {
        1
    }

    fn shape(&self, data: &[TVec<TDim>]) -> TractResult<TVec<TDim>> {
        let Some([count, height, width, channels]) = data.first().map(|shape| shape.as_slice()) else {
            bail!("expected [N, H, W, C], found {data:?}")
        };
        Ok(if self.over_places {
            tvec!(count.clone(), 2.to_dim(), channels.clone())
        } else {
            tvec!(count.clone(), height.clone(), width.clone(), 2.to_dim())
        })
    }

    fn with(&self, _: Constants<'_>) -> TractResult<Arc<dyn Operator>> {
        Ok(Arc::new(*self))
    }
}

impl Operator for Pooled {
    fn run(&self, data: &[Data<'_>], out: &mut [f32]) -> TractResult<()> {
        let Data { shape: &[count, height, width, channels], values } = *data.first().context("no input")? else {
            bail!("expected four axes")
        };
        ensure!(height * width * channels > 0, "an empty map");
        let expected = count * if self.over_places { channels } else { height * width } * 2;
        ensure!(out.len() == expected, "room for {} numbers, expected {expected}", out.len());
        if !self.over_places {
            for (point, out) in values.chunks_exact(channels).zip(out.as_chunks_mut::<2>().0) {
                *out = over_channels(point);
            }
            return Ok(());
        }
        for (map, out) in values.chunks_exact(height * width * channels).zip(out.chunks_exact_mut(2 * channels)) {
            let (means, largest) = out.split_at_mut(channels);
            means.fill(0.0);
            largest.fill(f32::NEG_INFINITY);
            for point in map.chunks_exact(channels) {
                for ((v, mean), most) in point.iter().zip(means.iter_mut()).zip(largest.iter_mut()) {
                    *mean += v;
                    // NaN comes through: it is not smaller than what is there.
                    *most = if *v < *most { *most } else { *v };
                }
            }
            means.iter_mut().for_each(|mean| *mean /= (height * width) as f32);
        }
        Ok(())
    }
}

/// Largest value and mean.
fn over_channels(point: &[f32]) -> [f32; 2] {
    const LANES: usize = 64;
    let (chunks, rest) = point.as_chunks::<LANES>();
    let (mut sums, mut most) = ([0.0; LANES], [f32::NEG_INFINITY; LANES]);
    for chunk in chunks {
        for i in 0..LANES {
            sums[i] += chunk[i];
        }
        for i in 0..LANES {
            most[i] = if chunk[i] < most[i] { most[i] } else { chunk[i] };
        }
    }
    let larger = |a: f32, b: f32| if b < a { a } else { b };
    let most = most.into_iter().chain(rest.iter().copied()).fold(f32::NEG_INFINITY, larger);
    [most, (sums.iter().sum::<f32>() + rest.iter().sum::<f32>()) / point.len() as f32]
}
