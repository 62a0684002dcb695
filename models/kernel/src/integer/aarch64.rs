//! NEON with the dot product extension (Cortex-A76 and later).
#![allow(unsafe_code)]

use std::arch::aarch64::*;
use std::arch::asm;

use super::{GROUP, IntegerTile, LANES, ROWS, Window};

/// Products of signed bytes, four added at a time.
pub(crate) struct NeonDot;

/// Bytes of a panel for one group of inputs.
const STEP: usize = GROUP * LANES;

/// sum + products of four signed bytes with four signed bytes, in each of four lanes. The library's function of this
/// name is not stable yet.
///
/// # Safety
/// The processor has the dot product extension.
#[inline(always)]
unsafe fn sdot(mut sum: int32x4_t, weights: int8x16_t, bytes: int8x16_t) -> int32x4_t {
    // SAFETY: registers alone are read and written.
    unsafe {
        asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sum, in(vreg) weights, in(vreg) bytes,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

impl IntegerTile for NeonDot {
    const OFFSET: i32 = 128;

    #[inline(always)]
    fn dot<const M: usize>(rows: [&[u8]; M], window: Window, panel: &[i8], sums: &mut [[i32; LANES]; ROWS]) {
        window.check(&rows, panel);
        // SAFETY: reads stay within the window's span of each row and within STEP bytes of the panel for each group of
        // the window's inputs, which `check` found to be there; M <= ROWS rows of sums are written.
        unsafe {
            for half in 0..2 {
                for first in (0..M).step_by(2) {
                    let pair = [first, (first + 1).min(M - 1)];
                    let mut c = [[vdupq_n_s32(0); 8]; 2];
                    let mut weights = panel.as_ptr().add(half * STEP / 2);
                    for segment in 0..window.segments {
                        let begin = segment * window.stride;
                        for at in (begin..begin + window.segment).step_by(GROUP) {
                            let bytes = pair.map(|row| {
                                let group = rows[row].as_ptr().add(at).cast::<u32>().read_unaligned();
                                vreinterpretq_s8_u32(vdupq_n_u32(group ^ 0x8080_8080))
                            });
                            for lane in 0..8 {
                                let w = vld1q_s8(weights.add(16 * lane));
                                for (c, bytes) in c.iter_mut().zip(bytes) {
                                    c[lane] = sdot(c[lane], w, bytes);
                                }
                            }
                            weights = weights.wrapping_add(STEP);
                        }
                    }
                    for (row, c) in pair.iter().zip(&c) {
                        for (c, sums) in c.iter().zip(sums[*row][half * LANES / 2..].chunks_exact_mut(4)) {
                            vst1q_s32(sums.as_mut_ptr(), *c);
                        }
                    }
                }
            }
        }
    }
}
