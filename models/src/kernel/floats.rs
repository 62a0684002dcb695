//! Rows of `f32` times a packed matrix of `f32`: for layers that bytes would harm.

use super::Isa;
use super::finish::Finish;
use super::float::{LANES, ROWS, Tile};
use super::isa::{Tiles, Work};
use super::product::Lines;
use super::threads::{for_blocks, threads};

/// A matrix of weights in the order in which tiles read it.
#[derive(Clone, Debug, PartialEq)]
pub struct PackedMatrix {
    inputs: usize,
    outputs: usize,
    /// [panels, inputs, LANES].
    panels: Vec<f32>,
}

impl PackedMatrix {
    /// Packs `weights` [outputs, inputs]. None when the numbers do not fit together.
    #[must_use]
    pub fn new(weights: &[f32], outputs: usize) -> Option<Self> {
        let inputs = weights.len().checked_div(outputs)?;
        if inputs == 0 || inputs * outputs != weights.len() {
            return None;
        }
        let mut panels = vec![0.0; outputs.next_multiple_of(LANES) * inputs];
        for (n, row) in weights.chunks_exact(inputs).enumerate() {
            for (k, weight) in row.iter().enumerate() {
                panels[(n / LANES * inputs + k) * LANES + n % LANES] = *weight;
            }
        }
        Some(Self { inputs, outputs, panels })
    }

    /// Numbers in a row that is multiplied.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Numbers in a row of the product.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }
}

/// out[r][n] = finish(sum over k of x[begin of row r + k] * weight [n, k]); `lines` counts in numbers, not bytes.
///
/// # Panics
/// When the sizes do not fit.
pub fn product(x: &[f32], lines: Lines, matrix: &PackedMatrix, finish: Finish<'_>, out: &mut [f32], isa: Isa) {
    let rows = lines.count();
    assert_eq!(out.len(), rows * matrix.outputs, "the product's size");
    finish.check(rows, matrix.outputs);
    if rows == 0 {
        return;
    }
    // 256 rows of 512 numbers are half of a core's second cache: their norm finds them there.
    let block = rows.div_ceil(threads()).min(256).next_multiple_of(ROWS);
    for_blocks(out, block * matrix.outputs, |i, out| {
        isa.run(Block { x, lines, matrix, finish, first: i * block, out })
    });
}

struct Block<'a, 'o> {
    x: &'a [f32],
    lines: Lines,
    matrix: &'a PackedMatrix,
    finish: Finish<'a>,
    first: usize,
    out: &'o mut [f32],
}

impl Work for Block<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<T: Tiles>(self) {
        let Self { x, lines, matrix, finish, first, out } = self;
        let PackedMatrix { inputs, outputs, .. } = *matrix;
        let row = |r: usize| &x[lines.begin(r)..][..inputs];
        let mut tile = [0.0; LANES * ROWS];
        for (p, panel) in matrix.panels.chunks_exact(inputs * LANES).enumerate() {
            for (i, out) in out.chunks_mut(ROWS * outputs).enumerate() {
                let r = first + i * ROWS;
                let to = Tile { numbers: &mut tile, stride: LANES };
                match out.len() / outputs {
                    6 => T::product(
                        [row(r), row(r + 1), row(r + 2), row(r + 3), row(r + 4), row(r + 5)],
                        panel,
                        LANES,
                        to,
                    ),
                    5 => T::product([row(r), row(r + 1), row(r + 2), row(r + 3), row(r + 4)], panel, LANES, to),
                    4 => T::product([row(r), row(r + 1), row(r + 2), row(r + 3)], panel, LANES, to),
                    3 => T::product([row(r), row(r + 1), row(r + 2)], panel, LANES, to),
                    2 => T::product([row(r), row(r + 1)], panel, LANES, to),
                    _ => T::product([row(r)], panel, LANES, to),
                }
                let y = tile.as_chunks_mut::<LANES>().0;
                finish.store(&mut y[..out.len() / outputs], r, p * LANES, outputs, out);
            }
        }
        finish.rows(out);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::Activation;
    use super::super::normalise::Norm;
    use super::*;

    #[test]
    fn a_product_of_overlapping_rows_is_that_of_f64() {
        let mut draw = fastrand::Rng::with_seed(9);
        for (rows, step, inputs, outputs) in [(1, 1, 1, 1), (40, 5, 10, 70), (7, 3, 3, 64)] {
            let mut numbers = |count: usize| -> Vec<f32> { (0..count).map(|_| draw.f32() - 0.5).collect() };
            let (x, weights) = (numbers(rows * step + inputs), numbers(outputs * inputs));
            let (bias, gain, shift) = (numbers(outputs), numbers(outputs), numbers(outputs));
            let matrix = PackedMatrix::new(&weights, outputs).unwrap();
            let norm = Norm::new(&gain, &shift, 1e-5);
            for isa in Isa::usable() {
                let finish = Finish { bias: &bias, norm, activation: Activation::Relu, ..Finish::default() };
                let mut found = vec![0.0; rows * outputs];
                product(&x, Lines::matrix(rows, step), &matrix, finish, &mut found, isa);
                for (r, found) in found.chunks(outputs).enumerate() {
                    let sum = |n: usize| {
                        let term = |k: usize| f64::from(x[r * step + k]) * f64::from(weights[n * inputs + k]);
                        ((0..inputs).map(term).sum::<f64>() + f64::from(bias[n])) as f32
                    };
                    let mut expected: Vec<f32> = (0..outputs).map(sum).collect();
                    norm.unwrap().run(&mut expected, isa);
                    for (f, e) in found.iter().zip(&expected) {
                        assert!((f - e.max(0.0)).abs() < 1e-4, "{isa}: {f} against {e}");
                    }
                }
            }
        }
        assert!(PackedMatrix::new(&[1.0; 5], 2).is_none() && PackedMatrix::new(&[], 2).is_none());
    }
}
