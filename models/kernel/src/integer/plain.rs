//! For processors without any of the instructions; and what the others are held against.

use super::{GROUP, IntegerTile, LANES, ROWS, Window};

/// No instruction beyond the target's own.
pub(crate) struct Plain;

impl IntegerTile for Plain {
    const OFFSET: i32 = 0;

    #[inline(always)]
    fn dot<const M: usize>(rows: [&[u8]; M], window: Window, panel: &[i8], sums: &mut [[i32; LANES]; ROWS]) {
        window.check(&rows, panel);
        for (row, sums) in rows.into_iter().zip(sums) {
            *sums = [0; LANES];
            let segments = (0..window.segments).map(|s| &row[s * window.stride..][..window.segment]);
            let groups = segments.flat_map(|segment| segment.chunks_exact(GROUP));
            for (bytes, weights) in groups.zip(panel.chunks_exact(GROUP * LANES)) {
                for (sum, weights) in sums.iter_mut().zip(weights.chunks_exact(GROUP)) {
                    *sum += bytes.iter().zip(weights).map(|(b, w)| i32::from(*b) * i32::from(*w)).sum::<i32>();
                }
            }
        }
    }
}
