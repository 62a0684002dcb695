//! AVX-512 with bfloat16.
//!
//! Lengths of slices are checked once, then read through pointers. It is called from code that is compiled for its features
//! alone ([`crate::isa`]).
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{HalfTile, half, inputs};
use crate::float::Tile;

/// 512-bit registers.
pub(crate) struct Avx512;

impl HalfTile for Avx512 {
    const FAST: bool = true;

    #[inline(always)]
    fn halve(from: &[f32], to: &mut [u32]) {
        assert_eq!(from.len(), 2 * to.len(), "numbers and pairs");
        let whole = to.len() / 8 * 8;
        for i in (0..whole).step_by(8) {
            // SAFETY: 16 numbers and 8 pairs from i on are within their slices; a half and its bits have one size.
            unsafe {
                let halves = _mm512_cvtneps_pbh(_mm512_loadu_ps(from.as_ptr().add(2 * i)));
                _mm256_storeu_si256(to.as_mut_ptr().add(i).cast(), std::mem::transmute::<__m256bh, __m256i>(halves));
            }
        }
        for i in whole..to.len() {
            to[i] = half(from[2 * i]) | half(from[2 * i + 1]) << 16;
        }
    }

    #[inline(always)]
    fn half_product<const M: usize>(rows: [&[u32]; M], matrix: &[u32], out: Tile<'_>) {
        let length = inputs(&rows, matrix, &out);
        // SAFETY: each of the M <= ROWS rows has `length` pairs, the matrix LANES pairs for each of them, and `out` LANES
        // numbers at every row's place; pairs of halves and their bits have one size.
        unsafe {
            let pairs = |at: *const u32| std::mem::transmute::<__m512i, __m512bh>(_mm512_loadu_si512(at.cast()));
            let mut c = [[_mm512_setzero_ps(); 4]; M];
            for k in 0..length {
                let at = matrix.as_ptr().add(k * 64);
                let columns = [pairs(at), pairs(at.add(16)), pairs(at.add(32)), pairs(at.add(48))];
                for r in 0..M {
                    let factor = _mm512_set1_epi32((*rows[r].as_ptr().add(k)).cast_signed());
                    let factor = std::mem::transmute::<__m512i, __m512bh>(factor);
                    for j in 0..4 {
                        c[r][j] = _mm512_dpbf16_ps(c[r][j], factor, columns[j]);
                    }
                }
            }
            for r in 0..M {
                for j in 0..4 {
                    _mm512_storeu_ps(out.numbers.as_mut_ptr().add(r * out.stride + 16 * j), c[r][j]);
                }
            }
        }
    }
}
