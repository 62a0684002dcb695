//! AVX-512 VNNI, AVX-VNNI and AVX2.
//!
//! Every function here checks the lengths of its slices once, then reads through pointers: segment by segment as the
//! window says, a panel from its begin to its end. They are called from code that is compiled for their features alone
//! ([`crate::isa`]).
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{GROUP, IntegerTile, LANES, ROWS, Window};

/// 512-bit registers with products of unsigned and signed bytes.
pub(crate) struct Avx512Vnni;
/// 256-bit registers with products of unsigned and signed bytes.
pub(crate) struct AvxVnni;
/// 256-bit registers.
pub(crate) struct Avx2;

/// Bytes of a panel for one group of inputs.
const STEP: usize = GROUP * LANES;

/// Four bytes of a row, in every lane.
macro_rules! group {
    ($set:ident, $row:expr, $at:expr) => {
        $set($row.as_ptr().add($at).cast::<i32>().read_unaligned())
    };
}

impl IntegerTile for Avx512Vnni {
    const OFFSET: i32 = 0;

    #[inline(always)]
    fn dot<const M: usize>(rows: [&[u8]; M], window: Window, panel: &[i8], sums: &mut [[i32; LANES]; ROWS]) {
        window.check(&rows, panel);
        // SAFETY: `at` stays GROUP bytes below the window's span, which each row has; the panel is read STEP bytes at a
        // time, once for each group of the window's inputs, which it has; M <= ROWS rows of sums are written.
        unsafe {
            let mut c = [[_mm512_setzero_si512(); 4]; M];
            let mut weights = panel.as_ptr();
            for segment in 0..window.segments {
                let begin = segment * window.stride;
                for at in (begin..begin + window.segment).step_by(GROUP) {
                    let w = [
                        _mm512_loadu_si512(weights.cast()),
                        _mm512_loadu_si512(weights.add(64).cast()),
                        _mm512_loadu_si512(weights.add(128).cast()),
                        _mm512_loadu_si512(weights.add(192).cast()),
                    ];
                    for r in 0..M {
                        let bytes = group!(_mm512_set1_epi32, rows[r], at);
                        for j in 0..4 {
                            c[r][j] = _mm512_dpbusd_epi32(c[r][j], bytes, w[j]);
                        }
                    }
                    weights = weights.add(STEP);
                }
            }
            for r in 0..M {
                for j in 0..4 {
                    _mm512_storeu_si512(sums[r].as_mut_ptr().add(16 * j).cast(), c[r][j]);
                }
            }
        }
    }
}

/// Two rows with half a panel at a time, which is what 16 registers hold; `$multiply(sum, bytes, weights)` adds a group.
macro_rules! by_pairs {
    ($rows:ident, $window:ident, $panel:ident, $sums:ident, $bytes:expr, $multiply:expr) => {
        for half in 0..2 {
            for first in (0..M).step_by(2) {
                // The last row of an odd number of rows is its own partner.
                let pair = [first, (first + 1).min(M - 1)];
                let mut c = [[_mm256_setzero_si256(); 4]; 2];
                let mut weights = $panel.as_ptr().add(half * STEP / 2);
                for segment in 0..$window.segments {
                    let begin = segment * $window.stride;
                    for at in (begin..begin + $window.segment).step_by(GROUP) {
                        let w = [
                            _mm256_loadu_si256(weights.cast()),
                            _mm256_loadu_si256(weights.add(32).cast()),
                            _mm256_loadu_si256(weights.add(64).cast()),
                            _mm256_loadu_si256(weights.add(96).cast()),
                        ];
                        for r in 0..2 {
                            let bytes = $bytes(group!(_mm256_set1_epi32, $rows[pair[r]], at));
                            for j in 0..4 {
                                c[r][j] = $multiply(c[r][j], bytes, w[j]);
                            }
                        }
                        weights = weights.wrapping_add(STEP);
                    }
                }
                for r in 0..2 {
                    for j in 0..4 {
                        let sums = $sums[pair[r]].as_mut_ptr().add(half * LANES / 2 + 8 * j);
                        _mm256_storeu_si256(sums.cast(), c[r][j]);
                    }
                }
            }
        }
    };
}

impl IntegerTile for AvxVnni {
    const OFFSET: i32 = 0;

    #[inline(always)]
    fn dot<const M: usize>(rows: [&[u8]; M], window: Window, panel: &[i8], sums: &mut [[i32; LANES]; ROWS]) {
        window.check(&rows, panel);
        // SAFETY: as for AVX-512; of each STEP bytes of the panel one half is read, the second half's begin included.
        unsafe {
            by_pairs!(rows, window, panel, sums, |b| b, |c, b, w| _mm256_dpbusd_avx_epi32(c, b, w));
        }
    }
}

impl IntegerTile for Avx2 {
    // Bytes less 128 are signed. Their sizes times weights with their signs fit 16 bits in pairs, 2 * 128 * 127 < 2^15,
    // which unsigned bytes times weights would not.
    const OFFSET: i32 = 128;

    #[inline(always)]
    fn dot<const M: usize>(rows: [&[u8]; M], window: Window, panel: &[i8], sums: &mut [[i32; LANES]; ROWS]) {
        window.check(&rows, panel);
        // SAFETY: as for AVX-VNNI.
        unsafe {
            let ones = _mm256_set1_epi16(1);
            let signed = |bytes| _mm256_xor_si256(bytes, _mm256_set1_epi8(-128));
            by_pairs!(rows, window, panel, sums, signed, |c, b, w| {
                let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(b), _mm256_sign_epi8(w, b));
                _mm256_add_epi32(c, _mm256_madd_epi16(pairs, ones))
            });
        }
    }
}
