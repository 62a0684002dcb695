//! Queries, keys, values and weights in halves, two in each number.

use super::{Panels, Slices, reset};
use crate::float::{LANES, ROWS, Tile};
use crate::half::half;
use crate::isa::Tiles;
use crate::rows::for_rows;

#[derive(Default)]
pub(super) struct HalfPanels {
    /// [T, W / 2].
    queries: Vec<u32>,
    /// [tiles of frames, W / 2, tile].
    keys: Vec<u32>,
    /// [tiles of the width, T / 2, tile]: a value of one frame and that of the next.
    values: Vec<u32>,
    /// [queries of a tile, T / 2 in whole tiles].
    weights: Vec<u32>,
    /// A row of an even width, and its halves.
    row: Vec<f32>,
    pairs: Vec<u32>,
    frames: usize,
}

impl Panels for HalfPanels {
    #[inline(always)]
    fn fill<T: Tiles>(&mut self, slices: Slices<'_>) {
        let Slices { frames, width, .. } = slices;
        let (across, along) = (width.div_ceil(2), frames.div_ceil(2));
        self.frames = frames;
        reset(&mut self.queries, frames * across);
        reset(&mut self.keys, frames.next_multiple_of(LANES) * across);
        reset(&mut self.values, along * width.next_multiple_of(LANES));
        reset(&mut self.weights, ROWS * frames.next_multiple_of(LANES) / 2);
        reset(&mut self.row, 2 * across);
        reset(&mut self.pairs, across);
        for t in 0..frames {
            let queries = &mut self.queries[t * across..][..across];
            if width.is_multiple_of(2) {
                T::halve(slices.part(t, 0), queries);
                T::halve(slices.part(t, 1), &mut self.pairs);
            } else {
                self.row[..width].copy_from_slice(slices.part(t, 0));
                T::halve(&self.row, queries);
                self.row[..width].copy_from_slice(slices.part(t, 1));
                T::halve(&self.row, &mut self.pairs);
            }
            let keys = &mut self.keys[t / LANES * LANES * across + t % LANES..];
            for k in 0..across {
                keys[k * LANES] = self.pairs[k];
            }
            let shift = t % 2 * 16;
            for (i, part) in slices.part(t, 2).chunks(LANES).enumerate() {
                let values = &mut self.values[(i * along + t / 2) * LANES..][..part.len()];
                for n in 0..part.len() {
                    values[n] |= half(part[n]) << shift;
                }
            }
        }
    }

    #[inline(always)]
    fn scores<T: Tiles>(&self, slices: Slices<'_>, begin: usize, count: usize, column: usize, out: Tile<'_>) {
        let across = slices.width.div_ceil(2);
        let keys = &self.keys[column * LANES * across..][..LANES * across];
        for_rows!(
            count,
            r => &self.queries[(begin + r) * across..][..across],
            queries => T::half_product(queries, keys, out)
        );
    }

    #[inline(always)]
    fn take<T: Tiles>(&mut self, weights: &[f32], count: usize, columns: usize) {
        T::halve(&weights[..count * columns], &mut self.weights[..count * columns / 2]);
    }

    #[inline(always)]
    fn contexts<T: Tiles>(&self, _: &[f32], count: usize, columns: usize, part: usize, out: Tile<'_>) {
        let along = self.frames.div_ceil(2);
        let values = &self.values[part * LANES * along..][..LANES * along];
        for_rows!(
            count,
            r => &self.weights[r * columns / 2..][..along],
            weights => T::half_product(weights, values, out)
        );
    }
}
