//! Norms over the last axis.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{BLOCK, Operation, apply};

/// (x - mean) / sqrt(variance + epsilon) times gain plus bias, each over the rows of `x` [N, width].
pub(in crate::networks) fn layer_norm(x: Tensor<2>, gain: Tensor<1>, bias: Tensor<1>, epsilon: f64) -> Tensor<2> {
    let [n, width] = x.dims();
    let operation = LayerNorm { width, epsilon: epsilon as f32 };
    match apply(operation, [x.clone().reshape([n * width]), gain.clone(), bias.clone()], [n, width]) {
        Some(y) => y,
        None => {
            let centred = x.clone() - x.mean_dim(1);
            let variance = centred.clone().square().mean_dim(1);
            centred / variance.add_scalar(epsilon).sqrt() * gain.unsqueeze() + bias.unsqueeze()
        }
    }
}

/// x / sqrt(mean of squares + epsilon) times gain, over the rows of `x` [N, width].
pub(in crate::networks) fn rms_norm(x: Tensor<2>, gain: Tensor<1>, epsilon: f64) -> Tensor<2> {
    let [n, width] = x.dims();
    let operation = RmsNorm { width, epsilon: epsilon as f32 };
    match apply(operation, [x.clone().reshape([n * width]), gain.clone()], [n, width]) {
        Some(y) => y,
        None => {
            let mean = x.clone().square().mean_dim(1);
            x / mean.add_scalar(epsilon).sqrt() * gain.unsqueeze()
        }
    }
}

#[derive(Clone, Debug)]
struct LayerNorm {
    width: usize,
    epsilon: f32,
}

impl LayerNorm {
    /// Mean of a row and 1 / its deviation.
    fn moments(&self, row: &[f32]) -> (f32, f32) {
        let mean = sum(row.iter().copied()) / self.width as f32;
        let variance = sum(row.iter().map(|x| (x - mean) * (x - mean))) / self.width as f32;
        (mean, 1.0 / (variance + self.epsilon).sqrt())
    }
}

impl Operation<3> for LayerNorm {
    fn value(&self, [x, gain, bias]: [&[f32]; 3]) -> Vec<f32> {
        let mut out = vec![0f32; x.len()];
        by_rows(&mut out, x, self.width).for_each(|(out, x)| {
            let (mean, scale) = self.moments(x);
            for ((y, x), (gain, bias)) in out.iter_mut().zip(x).zip(gain.iter().zip(bias)) {
                *y = (x - mean) * scale * gain + bias;
            }
        });
        out
    }

    fn slope(&self, [x, gain, _]: [&[f32]; 3], _output: &[f32], slope: &[f32]) -> [Vec<f32>; 3] {
        let width = self.width;
        let (by_x, [by_gain, by_bias]) = by_blocks(x, slope, width, |x, slope, out, [by_gain, by_bias]| {
            let (mean, scale) = self.moments(x);
            let along = sum(x.iter().zip(slope).zip(gain).map(|((x, s), g)| (x - mean) * scale * s * g)) / width as f32;
            let level = sum(slope.iter().zip(gain).map(|(s, g)| s * g)) / width as f32;
            let sums = by_gain.iter_mut().zip(by_bias.iter_mut());
            for (((y, x), (s, g)), (by_gain, by_bias)) in out.iter_mut().zip(x).zip(slope.iter().zip(gain)).zip(sums) {
                let normed = (x - mean) * scale;
                *y = scale * (s * g - level - normed * along);
                *by_gain += s * normed;
                *by_bias += s;
            }
        });
        [by_x, by_gain, by_bias]
    }
}

#[derive(Clone, Debug)]
struct RmsNorm {
    width: usize,
    epsilon: f32,
}

impl RmsNorm {
    /// 1 / the root of the mean square.
    fn scale(&self, row: &[f32]) -> f32 {
        1.0 / (sum(row.iter().map(|x| x * x)) / self.width as f32 + self.epsilon).sqrt()
    }
}

impl Operation<2> for RmsNorm {
    fn value(&self, [x, gain]: [&[f32]; 2]) -> Vec<f32> {
        let mut out = vec![0f32; x.len()];
        by_rows(&mut out, x, self.width).for_each(|(out, x)| {
            let scale = self.scale(x);
            for ((y, x), gain) in out.iter_mut().zip(x).zip(gain) {
                *y = x * scale * gain;
            }
        });
        out
    }

    fn slope(&self, [x, gain]: [&[f32]; 2], _output: &[f32], slope: &[f32]) -> [Vec<f32>; 2] {
        let width = self.width;
        let (by_x, [by_gain]) = by_blocks(x, slope, width, |x, slope, out, [by_gain]| {
            let scale = self.scale(x);
            let along = scale * scale * sum(x.iter().zip(slope).zip(gain).map(|((x, s), g)| x * s * g)) / width as f32;
            for (((y, x), (s, g)), by_gain) in out.iter_mut().zip(x).zip(slope.iter().zip(gain)).zip(by_gain) {
                *y = scale * (s * g - x * along);
                *by_gain += s * x * scale;
            }
        });
        [by_x, by_gain]
    }
}

/// A sum in eight parts, which the compiler may add side by side.
fn sum(values: impl Iterator<Item = f32>) -> f32 {
    const PARTS: usize = 8;
    let mut parts = [0f32; PARTS];
    for (i, value) in values.enumerate() {
        if let Some(part) = parts.get_mut(i % PARTS) {
            *part += value;
        }
    }
    parts.iter().sum()
}

/// Rows in a task.
fn rows_in_block(width: usize) -> usize {
    (BLOCK / width.max(1)).max(1)
}

/// Rows of `out` with those of `x`, in parallel.
fn by_rows<'a>(
    out: &'a mut [f32],
    x: &'a [f32],
    width: usize,
) -> impl ParallelIterator<Item = (&'a mut [f32], &'a [f32])> {
    let size = rows_in_block(width) * width;
    let blocks = out.par_chunks_mut(size).zip(x.par_chunks(size));
    blocks.flat_map_iter(move |(out, x)| out.chunks_exact_mut(width).zip(x.chunks_exact(width)))
}

/// One row of the way back: input, slope by the output, slope by the input, sums over rows.
type RowSlope<'a, const S: usize> = dyn Fn(&[f32], &[f32], &mut [f32], [&mut [f32]; S]) + Sync + 'a;

/// The slope by `x`, written row by row, and S sums over all rows `[width]`.
fn by_blocks<const S: usize>(
    x: &[f32],
    slope: &[f32],
    width: usize,
    row: impl Fn(&[f32], &[f32], &mut [f32], [&mut [f32]; S]) + Sync,
) -> (Vec<f32>, [Vec<f32>; S]) {
    let row: &RowSlope<'_, S> = &row;
    let size = rows_in_block(width) * width;
    let mut out = vec![0f32; x.len()];
    let parts: Vec<[Vec<f32>; S]> = out
        .par_chunks_mut(size)
        .zip(x.par_chunks(size).zip(slope.par_chunks(size)))
        .map(|(out, (x, slope))| {
            let mut sums = std::array::from_fn(|_| vec![0f32; width]);
            let rows = x.chunks_exact(width).zip(slope.chunks_exact(width));
            for (out, (x, slope)) in out.chunks_exact_mut(width).zip(rows) {
                row(x, slope, out, sums.each_mut().map(Vec::as_mut_slice));
            }
            sums
        })
        .collect();
    let mut sums = std::array::from_fn(|_| vec![0f32; width]);
    for part in &parts {
        for (sum, part) in sums.iter_mut().zip(part) {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
    }
    (out, sums)
}
