//! Batch normalisation of rows by the batch's own statistics.

use burn::tensor::activation::relu;
use burn::tensor::{DType, Tensor};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use rayon::prelude::*;

use super::{BLOCK, Operation, apply, flat, numbers, rows};

/// Mean and variance of each column of a batch, over N rows.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::networks) struct Moments {
    /// By column.
    pub(in crate::networks) mean: Vec<f32>,
    /// By column; the mean square of the distance to the mean.
    pub(in crate::networks) variance: Vec<f32>,
}

/// (x - mean) / sqrt(variance + epsilon) times gain plus bias over the columns of `x` [N, width], with the moments of
/// `x` itself; then, where `rectified`, the larger of that and 0. Also the moments.
pub(in crate::networks) fn batch_norm(
    x: Tensor<2>,
    gain: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
    rectified: bool,
) -> (Tensor<2>, Moments) {
    let [n, width] = x.dims();
    let on_host = host_numbers(&x).map(|x| moments(numbers(&x), width));
    if let Some(moments) = on_host {
        let scale = moments.variance.iter().map(|v| 1.0 / (v + epsilon as f32).sqrt()).collect();
        let operation = BatchNorm { mean: moments.mean.clone(), scale, rectified };
        if let Some(y) = apply(operation, [flat(x.clone()), gain.clone(), bias.clone()], [n, width]) {
            return (y, moments);
        }
    }
    let mean = x.clone().mean_dim(0);
    let centred = x - mean.clone();
    let variance = centred.clone().square().mean_dim(0);
    let read = |t: &Tensor<2>| t.clone().inner().try_into_vec_as::<f32>().unwrap_or_else(|_| vec![f32::NAN; width]);
    let moments = Moments { mean: read(&mean), variance: read(&variance) };
    let y = centred / variance.add_scalar(epsilon).sqrt() * gain.unsqueeze() + bias.unsqueeze();
    (if rectified { relu(y) } else { y }, moments)
}

/// The numbers of `x` where they are f32 in the host's memory.
fn host_numbers(x: &Tensor<2>) -> Option<burn_flex::FlexTensor> {
    if x.dtype() != DType::F32 {
        return None;
    }
    let tracked = x.clone().try_into_primitive::<Autodiff<Flex>>().map(|x| x.into_primitive());
    tracked.or_else(|_| x.clone().try_into_primitive::<Flex>()).ok().map(rows)
}

/// Numbers in a task: whole rows.
fn block(width: usize) -> usize {
    (BLOCK / width.max(1)).max(1) * width.max(1)
}

/// Sums over the rows of each block, then over blocks, in f64.
fn column_sums<const S: usize>(
    len: usize,
    width: usize,
    add: impl Fn(std::ops::Range<usize>, &mut [Vec<f64>; S]) + Sync,
) -> [Vec<f64>; S] {
    let size = block(width);
    let parts: Vec<[Vec<f64>; S]> = (0..len.div_ceil(size))
        .into_par_iter()
        .map(|i| {
            let mut sums = std::array::from_fn(|_| vec![0f64; width]);
            add(i * size..((i + 1) * size).min(len), &mut sums);
            sums
        })
        .collect();
    let mut sums = std::array::from_fn(|_| vec![0f64; width]);
    for part in &parts {
        for (sum, part) in sums.iter_mut().zip(part) {
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
    }
    sums
}

/// The moments of `x` [N, width].
fn moments(x: &[f32], width: usize) -> Moments {
    let n = (x.len() / width.max(1)).max(1) as f64;
    let [sums] = column_sums(x.len(), width, |range, [sums]| {
        for row in x.get(range).unwrap_or_default().chunks_exact(width) {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
        }
    });
    let mean: Vec<f64> = sums.iter().map(|sum| sum / n).collect();
    let [squares] = column_sums(x.len(), width, |range, [sums]| {
        for row in x.get(range).unwrap_or_default().chunks_exact(width) {
            for ((sum, x), mean) in sums.iter_mut().zip(row).zip(&mean) {
                *sum += (f64::from(*x) - mean).powi(2);
            }
        }
    });
    let single = |values: &[f64], by: f64| values.iter().map(|v| (v / by) as f32).collect();
    Moments { mean: single(&mean, 1.0), variance: single(&squares, n) }
}

#[derive(Clone, Debug)]
struct BatchNorm {
    mean: Vec<f32>,
    /// 1 / deviation.
    scale: Vec<f32>,
    rectified: bool,
}

impl Operation<3> for BatchNorm {
    fn value(&self, [x, gain, bias]: [&[f32]; 3]) -> Vec<f32> {
        let width = self.mean.len();
        let factors: Vec<f32> = self.scale.iter().zip(gain).map(|(scale, gain)| scale * gain).collect();
        let offsets: Vec<f32> = bias.iter().zip(self.mean.iter().zip(&factors)).map(|(b, (m, f))| b - m * f).collect();
        let least = if self.rectified { 0.0 } else { f32::NEG_INFINITY };
        let mut out = vec![0f32; x.len()];
        out.par_chunks_mut(block(width)).zip(x.par_chunks(block(width))).for_each(|(out, x)| {
            for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                for ((y, x), (factor, offset)) in out.iter_mut().zip(x).zip(factors.iter().zip(&offsets)) {
                    let value = x * factor + offset;
                    // Written so that NaN stays NaN.
                    *y = if value < least { least } else { value };
                }
            }
        });
        out
    }

    fn slope(&self, [x, gain, _]: [&[f32]; 3], output: &[f32], slope: &[f32]) -> [Vec<f32>; 3] {
        let Self { mean, scale, rectified } = self;
        let width = mean.len();
        let n = (x.len() / width.max(1)).max(1) as f64;
        // What the rectifier held back has no slope.
        let passes = |y: f32| if !rectified || y > 0.0 { 1.0f32 } else { 0.0 };
        let [by_bias, by_gain] = column_sums(x.len(), width, |range, [level, along]| {
            let rows = x.get(range.clone()).unwrap_or_default().chunks_exact(width);
            let slopes = slope.get(range.clone()).unwrap_or_default().chunks_exact(width);
            let outputs = output.get(range.clone()).unwrap_or_default().chunks_exact(width);
            for ((x, slope), output) in rows.zip(slopes).zip(outputs) {
                let sums = level.iter_mut().zip(along.iter_mut());
                let columns = mean.iter().zip(scale);
                for (((x, s), y), ((level, along), (mean, scale))) in
                    x.iter().zip(slope).zip(output).zip(sums.zip(columns))
                {
                    let s = s * passes(*y);
                    *level += f64::from(s);
                    *along += f64::from(s * (x - mean) * scale);
                }
            }
        });
        let column = |i: usize, sums: &[f64]| (sums.get(i).copied().unwrap_or_default() / n) as f32;
        // The slope by x is factor (s - level - normed along).
        let columns: Vec<[f32; 5]> = (0..width)
            .map(|i| {
                let (mean, scale, gain) = (mean[i], scale[i], gain[i]);
                [scale * gain, mean, scale, column(i, &by_bias), column(i, &by_gain)]
            })
            .collect();
        let mut out = vec![0f32; x.len()];
        let inputs =
            x.par_chunks(block(width)).zip(slope.par_chunks(block(width))).zip(output.par_chunks(block(width)));
        out.par_chunks_mut(block(width)).zip(inputs).for_each(|(out, ((x, slope), output))| {
            let rows = x.chunks_exact(width).zip(slope.chunks_exact(width)).zip(output.chunks_exact(width));
            for (out, ((x, slope), output)) in out.chunks_exact_mut(width).zip(rows) {
                let inputs = x.iter().zip(slope).zip(output);
                for ((out, ((x, s), y)), [factor, mean, scale, level, along]) in
                    out.iter_mut().zip(inputs).zip(&columns)
                {
                    *out = factor * (s * passes(*y) - level - (x - mean) * scale * along);
                }
            }
        });
        let single = |sums: &[f64]| sums.iter().map(|sum| *sum as f32).collect();
        [out, single(&by_gain), single(&by_bias)]
    }
}
