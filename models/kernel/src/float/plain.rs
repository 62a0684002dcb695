//! For processors without any of the instructions; NEON's own come from the compiler.

use super::{FloatTile, LANES, Tile, inputs};

/// No instruction beyond the target's own.
pub(crate) struct Plain;

impl FloatTile for Plain {
    #[inline(always)]
    fn product<const M: usize>(rows: [&[f32]; M], matrix: &[f32], stride: usize, out: Tile<'_>) {
        let length = inputs(&rows, matrix, stride, &out);
        let adds = out.adds;
        for (row, out) in rows.into_iter().zip(out.numbers.chunks_mut(out.stride)) {
            // A quarter of the columns at a time stays in registers.
            for (part, out) in out.chunks_exact_mut(16).take(LANES / 16).enumerate() {
                let mut sums = [0.0; 16];
                if adds {
                    sums.copy_from_slice(out);
                }
                for (k, factor) in row.iter().take(length).enumerate() {
                    let columns = &matrix[k * stride + 16 * part..][..16];
                    sums.iter_mut().zip(columns).for_each(|(sum, column)| *sum += factor * column);
                }
                out.copy_from_slice(&sums);
            }
        }
    }
}
