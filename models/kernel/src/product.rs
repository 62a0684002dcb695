//! Rows of bytes times packed weights, with what follows the product in the same pass.

use super::Isa;
use super::block::{Block, Columns, Product, rows_of_block};
use super::finish::Finish;
use super::integer::{LANES, ROWS, Window};
use super::isa::{Tiles, Work};
use super::quantise::{Quantised, RowScale, Rows};
use super::rows::for_rows;
use super::threads::for_blocks;
use super::weight::{PackedWeight, Panel};

/// Bytes of rows that a block should not exceed, so that they stay in a core's second cache beside a panel.
const BLOCK_BYTES: usize = 384 << 10;

/// Where rows of the product begin in the bytes: lines of rows at equal distances. Rows may overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// Number of lines.
    pub lines: usize,
    /// Rows of a line.
    pub rows: usize,
    /// Bytes from row to row.
    pub step: usize,
    /// Bytes from line to line.
    pub stride: usize,
    /// Bytes from segment to segment of a row.
    pub segment: usize,
}

impl Lines {
    /// `rows` rows of `width` bytes, one after the other.
    #[must_use]
    pub fn matrix(rows: usize, width: usize) -> Self {
        Self { lines: 1, rows, step: width, stride: 0, segment: 0 }
    }

    /// Number of rows.
    ///
    /// # Panics
    /// When no memory can hold as many.
    pub(super) fn count(&self) -> usize {
        let count = self.lines.checked_mul(self.rows);
        assert!(count.is_some(), "{} lines of {} rows", self.lines, self.rows);
        count.unwrap_or_default()
    }

    /// Where the rows from `first` on begin. Worked out once: a division for each row of each panel would show.
    pub(super) fn begins(&self, first: usize, rows: usize) -> Vec<usize> {
        (first..first + rows).map(|row| row / self.rows * self.stride + row % self.rows * self.step).collect()
    }
}

/// `out[r][n]` = finish(sum over k of row r's k-th number times weight k of output n).
///
/// `x` has one scale for each row, or one for all.
///
/// # Panics
/// When bytes, scales, what follows or `out` do not have the sizes that `lines` and `weight` say.
pub fn product<'a>(
    x: impl Into<Rows<'a>>,
    lines: Lines,
    weight: &PackedWeight,
    finish: Finish<'_>,
    out: &mut [f32],
    isa: Isa,
) {
    let x = x.into();
    let rows = lines.count();
    assert!(x.scales.len() == 1 || x.scales.len() == rows, "{} scales for {rows} rows", x.scales.len());
    let block = block(rows, weight.inputs());
    Product { x, lines, weights: weight, finish }.run(block, weight.outputs(), out, isa);
}

/// As [`product`] for rows of `width` floats: each block's rows become bytes, with a scale for each, on the thread that
/// multiplies them.
///
/// # Panics
/// As [`product`].
pub fn linear(x: &[f32], width: usize, weight: &PackedWeight, finish: Finish<'_>, out: &mut [f32], isa: Isa) {
    let (rows, outputs, inputs) = (x.len() / width.max(1), weight.outputs(), weight.inputs());
    assert_eq!((x.len(), Some(out.len())), (rows * width, rows.checked_mul(outputs)), "the product's size");
    finish.check(rows, outputs);
    if rows == 0 {
        return;
    }
    let block = block(rows, inputs);
    for_blocks(out, block * outputs, |i, out| {
        let (first, rows) = (i * block, out.len() / outputs);
        let bytes = Quantised::by_row(&x[first * width..(first + rows) * width], width, inputs, isa);
        let residual = finish.residual.get(first * outputs..(first + rows) * outputs).unwrap_or_default();
        let finish = Finish { residual, ..finish };
        let product = Product { x: Rows::from(&bytes), lines: Lines::matrix(rows, inputs), weights: weight, finish };
        isa.run(Block { product, first: 0, columns: Columns::all(outputs), out });
    });
}

/// Rows of a block of `rows` rows of `inputs` bytes.
fn block(rows: usize, inputs: usize) -> usize {
    rows_of_block(rows, (BLOCK_BYTES / inputs.max(1)).max(4 * ROWS), ROWS)
}

impl Work for Block<'_, '_, Rows<'_>, &PackedWeight> {
    type Output = ();

    #[inline(always)]
    fn run<T: Tiles>(self) {
        let Self { product: Product { x, lines, weights: weight, finish }, first, columns, out } = self;
        let width = columns.width();
        let window = Window { segments: weight.segments(), segment: weight.segment(), stride: lines.segment };
        let span = window.span();
        let begins = lines.begins(first, out.len() / width);
        let mut sums = [[0; LANES]; ROWS];
        let panels = weight.panels().enumerate().skip(columns.begin / LANES).take(width.div_ceil(LANES));
        for (p, panel) in panels {
            for (tile, out) in out.chunks_mut(ROWS * width).enumerate() {
                let r = first + tile * ROWS;
                let count = out.len() / width;
                for_rows!(
                    count,
                    i => &x.bytes[begins[tile * ROWS + i]..][..span],
                    rows => T::dot(rows, window, panel.weights, &mut sums)
                );
                let mut y = [[0.0; LANES]; ROWS];
                for i in 0..count {
                    let scale = x.scales[if x.scales.len() == 1 { 0 } else { r + i }];
                    scaled::<T>(&sums[i], scale, panel, &mut y[i]);
                }
                finish.store(&mut y[..count], r, p * LANES, columns, out);
            }
        }
        finish.rows(out);
    }
}

/// Sums as numbers.
#[inline(always)]
fn scaled<T: Tiles>(sums: &[i32; LANES], row: RowScale, panel: Panel<'_>, y: &mut [f32; LANES]) {
    let zero = row.zero - T::OFFSET;
    for n in 0..LANES {
        y[n] = (sums[n] - zero * panel.totals[n]) as f32 * (row.scale * panel.scales[n]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::Activation;
    use super::super::function::gelu;
    use super::super::weight::{pack, quantise_weights};
    use super::*;

    fn packed(bytes: &[i8], scales: &[f32], segments: usize) -> PackedWeight {
        let segment = (bytes.len() / scales.len() / segments).next_multiple_of(4);
        let panels = pack(bytes, scales.len(), segments);
        PackedWeight::new(std::sync::Arc::new(panels), scales, segments, segment).unwrap()
    }

    /// The product from its definition, in f64, of what the bytes mean.
    fn expected(x: &Quantised, lines: Lines, w: (&[i8], &[f32]), window: [usize; 3], finish: Finish<'_>) -> Vec<f64> {
        let [segments, inputs, stride] = window;
        let outputs = w.1.len();
        let mut out = Vec::new();
        for r in 0..lines.lines * lines.rows {
            let begin = r / lines.rows * lines.stride + r % lines.rows * lines.step;
            let RowScale { scale, zero } = x.scales[if x.scales.len() == 1 { 0 } else { r }];
            for n in 0..outputs {
                let mut sum = 0.0;
                for s in 0..segments {
                    for k in 0..inputs {
                        let byte = i32::from(x.bytes[begin + s * stride + k]) - zero;
                        let weight = f64::from(w.0[(n * segments + s) * inputs + k]) * f64::from(w.1[n]);
                        sum += f64::from(byte) * f64::from(scale) * weight;
                    }
                }
                sum += finish.bias.get(n).map_or(0.0, |b| f64::from(*b));
                sum += finish.residual.get(r * outputs + n).map_or(0.0, |b| f64::from(*b));
                out.push(match finish.activation {
                    Activation::None => sum,
                    Activation::Relu => sum.max(0.0),
                    Activation::Gelu => f64::from(gelu(sum as f32)),
                });
            }
        }
        out
    }

    fn close(found: &[f32], expected: &[f64], what: &str) {
        let largest = expected.iter().fold(0f64, |m, v| m.max(v.abs()));
        for (f, e) in found.iter().zip(expected) {
            assert!((f64::from(*f) - e).abs() <= 1e-5 * largest, "{what}: {f} against {e}");
        }
    }

    #[test]
    fn a_product_is_what_its_bytes_mean() {
        let mut draw = fastrand::Rng::with_seed(5);
        for (rows, inputs, outputs) in [(1, 1, 1), (5, 7, 63), (13, 64, 64), (50, 100, 130)] {
            let mut numbers = |count: usize| -> Vec<f32> { (0..count).map(|_| draw.f32() * 2.0 - 0.7).collect() };
            let (x, weights, bias) = (numbers(rows * inputs), numbers(outputs * inputs), numbers(outputs));
            let residual = numbers(rows * outputs);
            let (bytes, scales) = quantise_weights(&weights, outputs).unwrap();
            let packed = packed(&bytes, &scales, 1);
            let padded = inputs.next_multiple_of(4);
            for (isa, activation) in Isa::usable()
                .into_iter()
                .flat_map(|isa| [Activation::None, Activation::Relu, Activation::Gelu].map(|a| (isa, a)))
            {
                let q = Quantised::by_row(&x, inputs, padded, isa);
                let lines = Lines::matrix(rows, padded);
                let finish = Finish { bias: &bias, residual: &residual, activation, ..Finish::default() };
                let mut out = vec![0.0; rows * outputs];
                product(&q, lines, &packed, finish, &mut out, isa);
                let what = format!("{isa}, {activation:?}, {rows}x{inputs}x{outputs}");
                let mut direct = vec![0.0; rows * outputs];
                linear(&x, inputs, &packed, finish, &mut direct, isa);
                assert_eq!(direct, out, "{what}");
                close(&out, &expected(&q, lines, (&bytes, &scales), [1, inputs, padded], finish), &what);
            }
        }
    }

    /// Two lines of overlapping windows with three segments each: a convolution of a picture.
    #[test]
    fn windows_that_overlap_are_read_where_they_lie() {
        let mut draw = fastrand::Rng::with_seed(6);
        let (width, channels, outputs) = (9, 4, 70);
        let bytes: Vec<u8> = (0..width * 4 * channels).map(|_| draw.u8(..)).collect();
        let q = Quantised { bytes, scales: vec![RowScale { scale: 0.02, zero: 31 }] };
        let line = width * channels;
        let lines = Lines { lines: 2, rows: width - 2, step: channels, stride: line, segment: line };
        let weights: Vec<i8> = (0..outputs * 9 * channels).map(|_| draw.i8(-127..=127)).collect();
        let scales: Vec<f32> = (0..outputs).map(|_| draw.f32()).collect();
        let packed = packed(&weights, &scales, 3);
        for isa in Isa::usable() {
            let mut out = vec![0.0; 2 * (width - 2) * outputs];
            product(&q, lines, &packed, Finish::default(), &mut out, isa);
            let window = [3, 3 * channels, width * channels];
            close(&out, &expected(&q, lines, (&weights, &scales), window, Finish::default()), &isa.to_string());
        }
    }

    #[test]
    fn a_row_with_nan_gives_nan_and_its_neighbours_numbers() {
        let (bytes, scales) = quantise_weights(&[0.5; 2 * 8], 2).unwrap();
        let packed = packed(&bytes, &scales, 1);
        let mut x = [1.0; 24];
        x[9] = f32::NAN;
        for isa in Isa::usable() {
            for activation in [Activation::None, Activation::Relu, Activation::Gelu] {
                let mut out = [0.0; 6];
                let finish = Finish { activation, ..Finish::default() };
                product(&Quantised::by_row(&x, 8, 8, isa), Lines::matrix(3, 8), &packed, finish, &mut out, isa);
                assert_eq!(out.map(f32::is_nan), [false, false, true, true, false, false], "{isa}, {activation:?}");
            }
        }
    }
}
