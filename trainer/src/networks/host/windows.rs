//! Windows of sequences as rows, so that a convolution over time is a matrix product.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{Operation, apply, flat};

/// Windows of `kernel` steps, `stride` steps apart, in each of the sequences `x` [clips, length, channels]:
/// [clips, count, kernel x channels], step-major. `kernel` is at most `length`.
pub(in crate::networks) fn windows(x: Tensor<3>, kernel: usize, stride: usize) -> Tensor<3> {
    let [clips, length, channels] = x.dims();
    let count = (length - kernel) / stride + 1;
    let operation = Windows { size: length * channels, step: stride * channels, width: kernel * channels, count };
    match apply(operation, [flat(x.clone())], [clips, count, kernel * channels]) {
        Some(rows) => rows,
        None => {
            let starts = (0..kernel).map(|k| {
                let taken = x.clone().slice([0..clips, k..k + (count - 1) * stride + 1, 0..channels]);
                let places = burn::tensor::Tensor::<1, burn::tensor::Int>::arange_step(
                    0..((count - 1) * stride + 1) as i64,
                    stride,
                    &x.device(),
                );
                taken.select(1, places)
            });
            Tensor::cat(starts.collect(), 2)
        }
    }
}

/// A window is one run of numbers, because channels lie beside each other and steps after each other.
#[derive(Clone, Debug)]
struct Windows {
    /// Numbers of a sequence.
    size: usize,
    /// Numbers between the begins of two windows.
    step: usize,
    /// Numbers of a window.
    width: usize,
    /// Windows of a sequence.
    count: usize,
}

/// Windows copied by one task.
const TASK: usize = 64;

impl Operation<1> for Windows {
    fn value(&self, [x]: [&[f32]; 1]) -> Vec<f32> {
        let Self { size, step, width, count } = *self;
        let mut out = vec![0f32; x.len() / size.max(1) * count * width];
        out.par_chunks_mut(TASK * width).enumerate().for_each(|(task, out)| {
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                let window = task * TASK + i;
                let begin = window / count * size + window % count * step;
                out.copy_from_slice(x.get(begin..begin + width).unwrap_or_default());
            }
        });
        out
    }

    fn slope(&self, [x]: [&[f32]; 1], _output: &[f32], slope: &[f32]) -> [Vec<f32>; 1] {
        let Self { size, step, width, count } = *self;
        let mut out = vec![0f32; x.len()];
        out.par_chunks_mut(size).zip(slope.par_chunks(count * width)).for_each(|(out, slope)| {
            for (window, slope) in slope.chunks_exact(width).enumerate() {
                let out = out.get_mut(window * step..).unwrap_or_default();
                out.iter_mut().zip(slope).for_each(|(out, slope)| *out += slope);
            }
        });
        [out]
    }
}
