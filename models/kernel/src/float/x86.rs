//! AVX-512 and AVX2 with fused multiply-adds.
//!
//! Both check the lengths of their slices once, then read through pointers. They are called from code that is compiled
//! for their features alone ([`crate::isa`]).
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{FloatTile, LANES, Tile, inputs};

/// 512-bit registers.
pub(crate) struct Avx512;
/// 256-bit registers.
pub(crate) struct Avx2;

impl FloatTile for Avx512 {
    #[inline(always)]
    fn product<const M: usize>(rows: [&[f32]; M], matrix: &[f32], stride: usize, out: Tile<'_>) {
        let length = inputs(&rows, matrix, stride, &out);
        // SAFETY: each of the M <= ROWS rows has `length` numbers, the matrix LANES numbers at every k * stride, and `out` LANES
        // numbers at every row's place.
        unsafe {
            let mut c = [[_mm512_setzero_ps(); 4]; M];
            if out.adds {
                for r in 0..M {
                    for j in 0..4 {
                        c[r][j] = _mm512_loadu_ps(out.numbers.as_ptr().add(r * out.stride + 16 * j));
                    }
                }
            }
            for k in 0..length {
                let at = matrix.as_ptr().add(k * stride);
                let columns = [
                    _mm512_loadu_ps(at),
                    _mm512_loadu_ps(at.add(16)),
                    _mm512_loadu_ps(at.add(32)),
                    _mm512_loadu_ps(at.add(48)),
                ];
                for r in 0..M {
                    let factor = _mm512_set1_ps(*rows[r].as_ptr().add(k));
                    for j in 0..4 {
                        c[r][j] = _mm512_fmadd_ps(factor, columns[j], c[r][j]);
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

impl FloatTile for Avx2 {
    #[inline(always)]
    fn product<const M: usize>(rows: [&[f32]; M], matrix: &[f32], stride: usize, out: Tile<'_>) {
        let length = inputs(&rows, matrix, stride, &out);
        // SAFETY: as for AVX-512; 16 columns at a time for up to six rows is what 16 registers hold.
        unsafe {
            for part in 0..LANES / 16 {
                let mut c = [[_mm256_setzero_ps(); 2]; M];
                if out.adds {
                    for r in 0..M {
                        for j in 0..2 {
                            c[r][j] = _mm256_loadu_ps(out.numbers.as_ptr().add(r * out.stride + 16 * part + 8 * j));
                        }
                    }
                }
                for k in 0..length {
                    let at = matrix.as_ptr().add(k * stride + 16 * part);
                    let columns = [_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(8))];
                    for r in 0..M {
                        let factor = _mm256_set1_ps(*rows[r].as_ptr().add(k));
                        for j in 0..2 {
                            c[r][j] = _mm256_fmadd_ps(factor, columns[j], c[r][j]);
                        }
                    }
                }
                for r in 0..M {
                    for j in 0..2 {
                        let at = r * out.stride + 16 * part + 8 * j;
                        _mm256_storeu_ps(out.numbers.as_mut_ptr().add(at), c[r][j]);
                    }
                }
            }
        }
    }
}
