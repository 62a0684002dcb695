//! A product in blocks of rows or columns: each is worked on by one thread, with the tiles of one instruction set.

use super::Isa;
use super::finish::{Finish, LANES};
use super::isa::Work;
use super::product::Lines;
use super::threads::{for_blocks, threads};

/// Rows in `x`, what they are multiplied with, and what follows.
#[derive(Clone, Copy)]
pub(super) struct Product<'a, X, W> {
    pub(super) x: X,
    pub(super) lines: Lines,
    pub(super) weights: W,
    pub(super) finish: Finish<'a>,
}

/// Some rows of a product, and some of their columns.
pub(super) struct Block<'a, 'o, X, W> {
    pub(super) product: Product<'a, X, W>,
    pub(super) first: usize,
    pub(super) columns: Columns,
    /// [rows, columns].
    pub(super) out: &'o mut [f32],
}

/// Columns from `begin`, where a panel begins, to `end`, of all `outputs` of a product.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub(super) begin: usize,
    pub(super) end: usize,
    pub(super) outputs: usize,
}

impl Columns {
    pub(super) fn all(outputs: usize) -> Self {
        Self { begin: 0, end: outputs, outputs }
    }

    /// Their number.
    pub(super) fn width(&self) -> usize {
        self.end - self.begin
    }
}

impl<'a, X: Copy + Send + Sync, W: Copy + Send + Sync> Product<'a, X, W>
where
    for<'o> Block<'a, 'o, X, W>: Work<Output = ()>,
{
    /// Writes rows of `outputs` numbers to `out`, in blocks of `block` rows.
    ///
    /// # Panics
    /// When the sizes do not fit.
    pub(super) fn run(self, block: usize, outputs: usize, out: &mut [f32], isa: Isa) {
        let rows = self.lines.count();
        assert_eq!(Some(out.len()), rows.checked_mul(outputs), "the product's size");
        self.finish.check(rows, outputs);
        if rows == 0 {
            return;
        }
        let panels = outputs.div_ceil(LANES);
        if 4 * rows <= outputs && (2..=panels).contains(&threads()) && self.finish.norm.is_none() {
            self.run_columns(panels.div_ceil(threads()) * LANES, rows, outputs, out, isa);
        } else {
            let columns = Columns::all(outputs);
            for_blocks(out, block * outputs, |i, out| {
                isa.run(Block { product: self, first: i * block, columns, out });
            });
        }
    }

    /// As [`Product::run`], in blocks of `block` columns. Where there are much fewer rows than columns, most of the time goes
    /// into reading weights: so each thread reads some of them, and not each all of them.
    fn run_columns(self, block: usize, rows: usize, outputs: usize, out: &mut [f32], isa: Isa) {
        // Blocks are apart while they are worked on, so that threads write to places of their own.
        let mut apart = vec![0.0; out.len()];
        let columns = |i: usize| Columns { begin: i * block, end: outputs.min((i + 1) * block), outputs };
        for_blocks(&mut apart, block * rows, |i, out| {
            isa.run(Block { product: self, first: 0, columns: columns(i), out });
        });
        for (i, part) in apart.chunks(block * rows).enumerate() {
            let Columns { begin, end, .. } = columns(i);
            for (out, part) in out.chunks_exact_mut(outputs).zip(part.chunks_exact(end - begin)) {
                out[begin..end].copy_from_slice(part);
            }
        }
    }
}

/// Rows of a block of `rows` rows: one for each thread, of whole tiles of `tile` rows, and about `most` at most.
pub(super) fn rows_of_block(rows: usize, most: usize, tile: usize) -> usize {
    rows.div_ceil(threads()).min(most).next_multiple_of(tile)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use tract_linalg::multithread::{Executor, multithread_tract_scope};

    use super::super::weight::{pack, quantise_weights};
    use super::super::{Activation, PackedMatrix, PackedWeight, Quantised, floats, product};
    use super::*;

    /// Few rows and many columns, which threads share by columns, against one thread: the same bits.
    #[test]
    fn columns_come_out_as_rows_do() {
        let mut draw = fastrand::Rng::with_seed(11);
        for (rows, inputs, outputs) in [(1, 8, 70), (5, 12, 200), (16, 40, 64), (49, 36, 256)] {
            let mut numbers = |count: usize| -> Vec<f32> { (0..count).map(|_| draw.f32() - 0.5).collect() };
            let (x, weights) = (numbers(rows * inputs), numbers(outputs * inputs));
            let (bias, residual) = (numbers(outputs), numbers(rows * outputs));
            let finish = Finish { bias: &bias, residual: &residual, activation: Activation::Relu, ..Finish::default() };
            let matrix = PackedMatrix::new(Arc::new(floats::pack(&weights, outputs)), outputs, 1, inputs).unwrap();
            let (bytes, scales) = quantise_weights(&weights, outputs).unwrap();
            let packed = PackedWeight::new(Arc::new(pack(&bytes, outputs, 1)), &scales, 1, inputs).unwrap();
            let lines = Lines::matrix(rows, inputs);
            let both = |threads: Executor, isa: Isa| {
                multithread_tract_scope(threads, || {
                    let mut out = [vec![0.0; rows * outputs], vec![0.0; rows * outputs]];
                    floats::product(&x, lines, &matrix, finish, &mut out[0], isa);
                    let x = Quantised::by_row(&x, inputs, inputs, isa);
                    product::product(&x, lines, &packed, finish, &mut out[1], isa);
                    out
                })
            };
            for isa in Isa::usable() {
                let one = both(Executor::SingleThread, isa);
                for threads in [2, 3] {
                    assert_eq!(both(Executor::multithread(threads), isa), one, "{isa}, {threads} threads, {rows} rows");
                }
            }
        }
    }
}
