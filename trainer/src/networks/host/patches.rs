//! Convolutions over places as products of patches, and the largest number of each patch.
//!
//! Pictures are [N, height, width, channels]: channels lie beside each other, so a line of a patch is one run of numbers.
//! Patches of all pictures would be nine times as large as these; so they are laid out for some pictures at a time, and
//! once more on the way back.

use burn::tensor::{Int, Tensor};
use burn_flex::Flex;
use rayon::prelude::*;

use super::{Operation, apply, flat, numbers, rows, tensor};

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

/// The convolution of `x` [N, height, width, inputs] with `weight` [outputs, inputs, kernel, kernel] as rows
/// [N rows columns, outputs], and how many rows and columns of patches a picture has.
pub(in crate::networks) fn convolution(x: Tensor<4>, weight: Tensor<4>, square: Square) -> (Tensor<2>, [usize; 2]) {
    let [n, height, width, channels] = x.dims();
    let [outputs, ..] = weight.dims();
    let sides = [square.count(height), square.count(width)];
    // In the order of a patch: line, place, channel.
    let matrix: Tensor<2> = weight.permute([2, 3, 1, 0]).reshape([square.kernel * square.kernel * channels, outputs]);
    let operation = Convolution { patches: Patches { square, height, width, channels }, outputs };
    let rows = match apply(operation, [flat(x.clone()), flat(matrix.clone())], [n * sides[0] * sides[1], outputs]) {
        Some(rows) => rows,
        None => patches(x, square).matmul(matrix),
    };
    (rows, sides)
}

/// The patches of `x` [N, height, width, channels] as rows [N rows columns, kernel kernel channels], by the library.
fn patches(x: Tensor<4>, square: Square) -> Tensor<2> {
    let [n, height, width, channels] = x.dims();
    let (rows, columns) = (square.count(height), square.count(width));
    let Square { kernel, stride, padding } = square;
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
    Tensor::cat(parts, 3).reshape([n * rows * columns, kernel * kernel * channels])
}

/// The largest number of each patch and channel of `x` [N, height, width, channels]: [N, rows, columns, channels]. Places
/// outside of the picture do not count.
pub(in crate::networks) fn largest(x: Tensor<4>, square: Square) -> Tensor<4> {
    let [n, height, width, channels] = x.dims();
    let shape = [n, square.count(height), square.count(width), channels];
    match apply(Largest { square, height, width, channels }, [flat(x.clone())], shape) {
        Some(y) => y,
        None => {
            let rows = patches(padded(x, square.padding, -1e30), Square { padding: 0, ..square });
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

/// Rows of patches that are laid out at a time, at least: enough for a product to be fast.
const ROWS: usize = 512;

#[derive(Clone, Debug)]
struct Patches {
    square: Square,
    height: usize,
    width: usize,
    channels: usize,
}

impl Patches {
    /// Patches of a picture.
    fn count(&self) -> usize {
        self.square.count(self.height) * self.square.count(self.width)
    }

    /// Numbers of a patch.
    fn width(&self) -> usize {
        self.square.kernel * self.square.kernel * self.channels
    }

    /// Numbers of a picture.
    fn size(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// The patches of the pictures `x` as rows.
    fn laid_out(&self, x: &[f32]) -> Vec<f32> {
        let columns = self.square.count(self.width);
        let mut out = vec![0f32; x.len() / self.size() * self.count() * self.width()];
        for (out, x) in out.chunks_exact_mut(self.count() * self.width()).zip(x.chunks_exact(self.size())) {
            for (place, out) in out.chunks_exact_mut(self.width()).enumerate() {
                self.runs(place / columns, place % columns, |to, from, n| {
                    if let (Some(to), Some(from)) = (out.get_mut(to..to + n), x.get(from..from + n)) {
                        to.copy_from_slice(from);
                    }
                });
            }
        }
        out
    }

    /// Adds numbers of patches, as rows, to where they come from in the pictures `out`.
    fn add_back(&self, rows: &[f32], out: &mut [f32]) {
        let columns = self.square.count(self.width);
        for (rows, out) in rows.chunks_exact(self.count() * self.width()).zip(out.chunks_exact_mut(self.size())) {
            for (place, row) in rows.chunks_exact(self.width()).enumerate() {
                self.runs(place / columns, place % columns, |from, to, n| {
                    if let (Some(to), Some(from)) = (out.get_mut(to..to + n), row.get(from..from + n)) {
                        to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
                    }
                });
            }
        }
    }

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

#[derive(Clone, Debug)]
struct Convolution {
    patches: Patches,
    outputs: usize,
}

impl Convolution {
    /// Pictures that are laid out at a time.
    fn at_a_time(&self) -> usize {
        ROWS.div_ceil(self.patches.count())
    }

    /// Numbers of so many pictures, and of what comes of them.
    fn sizes(&self) -> (usize, usize) {
        let pictures = self.at_a_time();
        (pictures * self.patches.size(), pictures * self.patches.count() * self.outputs)
    }
}

impl Operation<2> for Convolution {
    fn value(&self, [x, matrix]: [&[f32]; 2]) -> Vec<f32> {
        let Self { patches, outputs } = self;
        let (size, out_size) = self.sizes();
        let matrix = matrix_of(matrix.to_vec(), *outputs);
        let mut out = vec![0f32; x.len() / patches.size() * patches.count() * outputs];
        out.par_chunks_mut(out_size).zip(x.par_chunks(size)).for_each(|(out, x)| {
            let rows = matrix_of(patches.laid_out(x), patches.width());
            copied(rows.matmul(matrix.clone()), out);
        });
        out
    }

    fn slope(&self, [x, matrix]: [&[f32]; 2], _output: &[f32], slope: &[f32]) -> [Vec<f32>; 2] {
        let Self { patches, outputs } = self;
        let (size, out_size) = self.sizes();
        let turned = matrix_of(matrix.to_vec(), *outputs).transpose();
        let mut by_x = vec![0f32; x.len()];
        let blocks = by_x.par_chunks_mut(size).zip(x.par_chunks(size)).zip(slope.par_chunks(out_size));
        let parts: Vec<Vec<f32>> = blocks
            .map(|((by_x, x), slope)| {
                let slope = matrix_of(slope.to_vec(), *outputs);
                let rows = matrix_of(patches.laid_out(x), patches.width());
                let mut by_matrix = vec![0f32; matrix.len()];
                copied(rows.transpose().matmul(slope.clone()), &mut by_matrix);
                let mut by_rows = vec![0f32; x.len() / patches.size() * patches.count() * patches.width()];
                copied(slope.matmul(turned.clone()), &mut by_rows);
                patches.add_back(&by_rows, by_x);
                by_matrix
            })
            .collect();
        let mut by_matrix = vec![0f32; matrix.len()];
        for part in &parts {
            by_matrix.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        [by_x, by_matrix]
    }
}

/// `values` [rows, columns] as a matrix of the library, which multiplies.
fn matrix_of(values: Vec<f32>, columns: usize) -> Tensor<2> {
    let rows = values.len() / columns.max(1);
    Tensor::from_primitive::<Flex>(tensor(values, [rows, columns]))
}

/// Writes the numbers of `product` to `out`.
fn copied(product: Tensor<2>, out: &mut [f32]) {
    if let Ok(product) = product.try_into_primitive::<Flex>() {
        let product = rows(product);
        out.iter_mut().zip(numbers(&product)).for_each(|(out, value)| *out = *value);
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
