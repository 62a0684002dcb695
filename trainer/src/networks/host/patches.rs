//! Patches of pictures as rows, so that a convolution over places is a matrix product; and the largest of each patch.
//!
//! Pictures are [N, height, width, channels]: channels lie beside each other, so a line of a patch is one run of numbers.

use burn::tensor::{Int, Tensor};
use rayon::prelude::*;

use super::{Operation, apply, flat};

/// A square of `kernel` places, `stride` places apart, over pictures with `padding` zeros around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::networks) struct Square {
    pub(in crate::networks) kernel: usize,
    pub(in crate::networks) stride: usize,
    pub(in crate::networks) padding: usize,
}

impl Square {
    /// Patches along a side of `side` places.
    pub(in crate::networks) fn count(self, side: usize) -> usize {
        (side + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// The lines of a patch at `place` along an axis of `side` places: which lines of the patch and of the picture.
    fn within(self, place: usize, side: usize) -> (usize, usize, usize) {
        let begin = place * self.stride;
        let outside = self.padding.saturating_sub(begin).min(self.kernel);
        let first = (begin + outside).saturating_sub(self.padding);
        let last = (begin + self.kernel).saturating_sub(self.padding).min(side);
        (outside, first, last.saturating_sub(first))
    }
}

/// The patches of `x` [N, height, width, channels] as rows [N rows columns, kernel kernel channels], and how many rows and
/// columns of patches a picture has.
pub(in crate::networks) fn patches(x: Tensor<4>, square: Square) -> (Tensor<2>, [usize; 2]) {
    let [n, height, width, channels] = x.dims();
    let (rows, columns) = (square.count(height), square.count(width));
    let Square { kernel, stride, padding } = square;
    let shape = [n * rows * columns, kernel * kernel * channels];
    let operation = Patches { square, height, width, channels };
    let taken = match apply(operation, [flat(x.clone())], shape) {
        Some(taken) => taken,
        None => {
            let padded = padded(x, padding, 0.0);
            let steps = |count: usize, k: usize| -> Tensor<1, Int> {
                Tensor::arange_step(k as i64..(k + (count - 1) * stride + 1) as i64, stride, &padded.device())
            };
            let mut parts = Vec::with_capacity(kernel * kernel);
            for i in 0..kernel {
                for j in 0..kernel {
                    parts.push(padded.clone().select(1, steps(rows, i)).select(2, steps(columns, j)));
                }
            }
            Tensor::cat(parts, 3).reshape(shape)
        }
    };
    (taken, [rows, columns])
}

/// The largest number of each patch and channel of `x` [N, height, width, channels]: [N, rows, columns, channels]. Places
/// outside of the picture do not count.
pub(in crate::networks) fn largest(x: Tensor<4>, square: Square) -> Tensor<4> {
    let [n, height, width, channels] = x.dims();
    let shape = [n, square.count(height), square.count(width), channels];
    match apply(Largest { square, height, width, channels }, [flat(x.clone())], shape) {
        Some(y) => y,
        None => {
            let (rows, _) = patches(padded(x, square.padding, -1e30), Square { padding: 0, ..square });
            let [count, _] = rows.dims();
            rows.reshape([count, square.kernel * square.kernel, channels]).max_dim(1).reshape(shape)
        }
    }
}

/// `x` with `padding` places of `value` around.
fn padded(x: Tensor<4>, padding: usize, value: f32) -> Tensor<4> {
    if padding == 0 {
        return x;
    }
    let [n, height, width, channels] = x.dims();
    let (device, dtype) = (x.device(), x.dtype());
    let fill = |shape: [usize; 4]| -> Tensor<4> { Tensor::full(shape, value, (&device, dtype)) };
    let side = fill([n, height, padding, channels]);
    let x = Tensor::cat(vec![side.clone(), x, side], 2);
    let line = fill([n, padding, width + 2 * padding, channels]);
    Tensor::cat(vec![line.clone(), x, line], 1)
}

#[derive(Clone, Debug)]
struct Patches {
    square: Square,
    height: usize,
    width: usize,
    channels: usize,
}

impl Patches {
    /// Calls `run` with the begins of each run of numbers in a patch at (`row`, `column`) and in its picture, and the
    /// run's length.
    #[inline]
    fn runs(&self, row: usize, column: usize, mut run: impl FnMut(usize, usize, usize)) {
        let Self { square, height, width, channels } = *self;
        let (top, first, lines) = square.within(row, height);
        let (left, begin, places) = square.within(column, width);
        for line in 0..lines {
            let patch = ((top + line) * square.kernel + left) * channels;
            let picture = ((first + line) * width + begin) * channels;
            run(patch, picture, places * channels);
        }
    }
}

impl Operation<1> for Patches {
    fn value(&self, [x]: [&[f32]; 1]) -> Vec<f32> {
        let Self { square, height, width, channels } = *self;
        let (rows, columns) = (square.count(height), square.count(width));
        let (picture, patch) = (height * width * channels, square.kernel * square.kernel * channels);
        let mut out = vec![0f32; x.len() / picture.max(1) * rows * columns * patch];
        out.par_chunks_mut(columns * patch).enumerate().for_each(|(line, out)| {
            let x = x.get(line / rows * picture..).unwrap_or_default();
            for (column, out) in out.chunks_exact_mut(patch).enumerate() {
                self.runs(line % rows, column, |to, from, n| {
                    if let (Some(to), Some(from)) = (out.get_mut(to..to + n), x.get(from..from + n)) {
                        to.copy_from_slice(from);
                    }
                });
            }
        });
        out
    }

    fn slope(&self, [x]: [&[f32]; 1], _output: &[f32], slope: &[f32]) -> [Vec<f32>; 1] {
        let Self { square, height, width, channels } = *self;
        let (rows, columns) = (square.count(height), square.count(width));
        let (picture, patch) = (height * width * channels, square.kernel * square.kernel * channels);
        let mut out = vec![0f32; x.len()];
        out.par_chunks_mut(picture).zip(slope.par_chunks(rows * columns * patch)).for_each(|(out, slope)| {
            for (place, slope) in slope.chunks_exact(patch).enumerate() {
                self.runs(place / columns, place % columns, |from, to, n| {
                    if let (Some(to), Some(from)) = (out.get_mut(to..to + n), slope.get(from..from + n)) {
                        to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
                    }
                });
            }
        });
        [out]
    }
}

#[derive(Clone, Debug)]
struct Largest {
    square: Square,
    height: usize,
    width: usize,
    channels: usize,
}

impl Largest {
    /// The largest number and its place in the picture `x`, for the patch at (`row`, `column`); of equal ones the first.
    fn of(&self, x: &[f32], row: usize, column: usize, channel: usize) -> (f32, usize) {
        let Self { square, height, width, channels } = *self;
        let (_, top, lines) = square.within(row, height);
        let (_, left, places) = square.within(column, width);
        let mut best = (f32::NEG_INFINITY, 0);
        for line in top..top + lines {
            for place in left..left + places {
                let at = (line * width + place) * channels + channel;
                let value = x.get(at).copied().unwrap_or(f32::NAN);
                if value > best.0 || value.is_nan() {
                    best = (value, at);
                }
            }
        }
        best
    }
}

impl Operation<1> for Largest {
    fn value(&self, [x]: [&[f32]; 1]) -> Vec<f32> {
        let Self { square, height, width, channels } = *self;
        let (rows, columns, picture) = (square.count(height), square.count(width), height * width * channels);
        let mut out = vec![0f32; x.len() / picture.max(1) * rows * columns * channels];
        out.par_chunks_mut(columns * channels).enumerate().for_each(|(line, out)| {
            let x = x.get(line / rows * picture..).unwrap_or_default();
            for (i, out) in out.iter_mut().enumerate() {
                *out = self.of(x, line % rows, i / channels, i % channels).0;
            }
        });
        out
    }

    fn slope(&self, [x]: [&[f32]; 1], _output: &[f32], slope: &[f32]) -> [Vec<f32>; 1] {
        let Self { square, height, width, channels } = *self;
        let (rows, columns, picture) = (square.count(height), square.count(width), height * width * channels);
        let mut out = vec![0f32; x.len()];
        let slopes = slope.par_chunks(rows * columns * channels);
        out.par_chunks_mut(picture).zip(x.par_chunks(picture)).zip(slopes).for_each(|((out, x), slope)| {
            for (i, slope) in slope.iter().enumerate() {
                let (row, column) = (i / channels / columns, i / channels % columns);
                if let Some(out) = out.get_mut(self.of(x, row, column, i % channels).1) {
                    *out += slope;
                }
            }
        });
        [out]
    }
}
