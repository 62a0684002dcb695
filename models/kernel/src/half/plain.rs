//! Without special instructions: what the others are held against. Where nothing is faster than this, `f32` is, so no
//! product runs it.

use super::{HalfTile, half, inputs};
use crate::float::{LANES, Tile};

/// Plain code.
pub(crate) struct Plain;

impl HalfTile for Plain {
    const FAST: bool = false;

    #[inline(always)]
    fn halve(from: &[f32], to: &mut [u32]) {
        assert_eq!(from.len(), 2 * to.len(), "numbers and pairs");
        for (to, from) in to.iter_mut().zip(from.as_chunks::<2>().0) {
            *to = half(from[0]) | half(from[1]) << 16;
        }
    }

    #[inline(always)]
    fn half_product<const M: usize>(rows: [&[u32]; M], matrix: &[u32], out: Tile<'_>) {
        let length = inputs(&rows, matrix, &out);
        let parts = |pair: u32| [f32::from_bits(pair << 16), f32::from_bits(pair & 0xffff_0000)];
        for r in 0..M {
            let mut sums = [0.0; LANES];
            for (pair, columns) in rows[r][..length].iter().zip(matrix.as_chunks::<LANES>().0) {
                let factors = parts(*pair);
                for n in 0..LANES {
                    let column = parts(columns[n]);
                    sums[n] += factors[0] * column[0] + factors[1] * column[1];
                }
            }
            out.numbers[r * out.stride..][..LANES].copy_from_slice(&sums);
        }
    }
}
