//! Keys and values in `f32`; queries and weights are read where they lie.

use super::{Panels, Slices, reset};
use crate::float::{LANES, Tile};
use crate::isa::Tiles;
use crate::rows::for_rows;

#[derive(Default)]
pub(super) struct FloatPanels {
    /// [tiles of frames, W, tile].
    keys: Vec<f32>,
    /// [tiles of the width, T, tile].
    values: Vec<f32>,
    frames: usize,
}

impl Panels for FloatPanels {
    #[inline(always)]
    fn fill<T: Tiles>(&mut self, slices: Slices<'_>) {
        let Slices { frames, width, .. } = slices;
        self.frames = frames;
        reset(&mut self.keys, frames.next_multiple_of(LANES) * width);
        reset(&mut self.values, frames * width.next_multiple_of(LANES));
        for t in 0..frames {
            let keys = &mut self.keys[t / LANES * LANES * width + t % LANES..];
            slices.part(t, 1).iter().zip(keys.iter_mut().step_by(LANES)).for_each(|(key, place)| *place = *key);
            for (i, part) in slices.part(t, 2).chunks(LANES).enumerate() {
                self.values[(i * frames + t) * LANES..][..part.len()].copy_from_slice(part);
            }
        }
    }

    #[inline(always)]
    fn scores<T: Tiles>(&self, slices: Slices<'_>, begin: usize, count: usize, column: usize, out: Tile<'_>) {
        let panel = LANES * slices.width;
        let keys = &self.keys[column * panel..][..panel];
        for_rows!(count, r => slices.part(begin + r, 0), queries => T::product(queries, keys, LANES, out));
    }

    #[inline(always)]
    fn take<T: Tiles>(&mut self, _: &[f32], _: usize, _: usize) {}

    #[inline(always)]
    fn contexts<T: Tiles>(&self, weights: &[f32], count: usize, columns: usize, part: usize, out: Tile<'_>) {
        let panel = LANES * self.frames;
        let values = &self.values[part * panel..][..panel];
        for_rows!(
            count,
            r => &weights[r * columns..][..self.frames],
            weights => T::product(weights, values, LANES, out)
        );
    }
}
