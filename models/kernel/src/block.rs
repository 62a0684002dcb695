//! A product in blocks of rows: each is worked on by one thread, with the tiles of one instruction set.

use super::Isa;
use super::finish::Finish;
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

/// Some rows of a product.
pub(super) struct Block<'a, 'o, X, W> {
    pub(super) product: Product<'a, X, W>,
    pub(super) first: usize,
    pub(super) out: &'o mut [f32],
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
        assert_eq!(out.len(), rows * outputs, "the product's size");
        self.finish.check(rows, outputs);
        if rows > 0 {
            for_blocks(out, block * outputs, |i, out| isa.run(Block { product: self, first: i * block, out }));
        }
    }
}

/// Rows of a block of `rows` rows: one for each thread, of whole tiles of `tile` rows, and about `most` at most.
pub(super) fn rows_of_block(rows: usize, most: usize, tile: usize) -> usize {
    rows.div_ceil(threads()).min(most).next_multiple_of(tile)
}
