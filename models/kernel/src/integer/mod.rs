//! Sums of products of a few rows of bytes with one panel of packed weights.
//!
//! A panel holds [`LANES`] outputs: for each group of [`GROUP`] inputs, the group's weights of output 0, of output 1, and
//! so on. One instruction of every instruction set here multiplies a group and adds it up.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub(super) use aarch64::NeonDot;
pub(super) use plain::Plain;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512Vnni, AvxVnni};

/// Outputs of a panel.
pub const LANES: usize = 64;
/// Inputs that one instruction multiplies and adds up.
pub const GROUP: usize = 4;
/// Most rows of a tile.
pub(super) const ROWS: usize = 6;

/// Which bytes of a row's slice are its inputs: segments of equal length at equal distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Number of segments.
    pub(super) segments: usize,
    /// Bytes of a segment; a multiple of 4.
    pub(super) segment: usize,
    /// Bytes from the begin of a segment to the begin of the next.
    pub(super) stride: usize,
}

impl Window {
    /// Inputs of a row.
    #[cfg(test)]
    pub(super) fn inputs(&self) -> usize {
        self.segments * self.segment
    }

    /// Bytes from the first input to the last one, both included; the largest number there is where no memory has as many.
    pub(super) fn span(&self) -> usize {
        self.segments.saturating_sub(1).saturating_mul(self.stride).saturating_add(self.segment)
    }

    /// Whether rows and panel are as long as their readers, which look at no length again, rely on.
    #[inline(always)]
    fn check<const M: usize>(&self, rows: &[&[u8]; M], panel: &[i8]) {
        assert!(M <= ROWS && self.segment.is_multiple_of(GROUP), "a tile beyond its size");
        assert!(rows.iter().all(|row| row.len() >= self.span()), "a row is shorter than its window");
        let needed = self.segments.checked_mul(self.segment).and_then(|inputs| inputs.checked_mul(LANES));
        assert!(needed.is_some_and(|needed| panel.len() >= needed), "a panel is shorter than its rows");
    }
}

/// A way of adding products up.
pub(super) trait IntegerTile {
    /// What is taken off each byte before it is multiplied: 128 where the instruction takes signed bytes, else 0.
    const OFFSET: i32;

    /// `sums[r][n]` = sum over k of (byte k of row r's window - OFFSET) * (weight k of output n), exact.
    ///
    /// # Panics
    /// When a row is shorter than the window, or the panel shorter than the window's inputs times [`LANES`].
    fn dot<const M: usize>(rows: [&[u8]; M], window: Window, panel: &[i8], sums: &mut [[i32; LANES]; ROWS]);
}

#[cfg(test)]
mod tests {
    use super::super::Isa;
    use super::super::isa::{Tiles, Work};
    use super::super::rows::for_rows;
    use super::*;

    struct Dot<'a>(&'a [Vec<u8>], Window, &'a [i8]);

    impl Work for Dot<'_> {
        type Output = Vec<[i64; LANES]>;

        #[inline(always)]
        fn run<T: Tiles>(self) -> Self::Output {
            let Self(rows, window, panel) = self;
            let mut sums = [[0; LANES]; ROWS];
            for_rows!(rows.len(), i => rows[i].as_slice(), rows => T::dot(rows, window, panel, &mut sums));
            let weights = |n: usize| panel.chunks(GROUP * LANES).flat_map(move |g| &g[n * GROUP..][..GROUP]);
            let total = |n: usize| weights(n).map(|w| i64::from(*w)).sum::<i64>();
            let whole =
                |sums: &[i32; LANES]| std::array::from_fn(|n| i64::from(sums[n]) + i64::from(T::OFFSET) * total(n));
            sums[..rows.len()].iter().map(whole).collect()
        }
    }

    /// Every instruction set against sums in i64 written from the definition, extremes included.
    #[test]
    fn sums_are_exact_on_every_instruction_set() {
        let mut draw = fastrand::Rng::with_seed(7);
        for (segments, segment, gap) in [(1, 4, 0), (1, 1024, 0), (3, 12, 5), (7, 28, 100), (128, 64, 0)] {
            let window = Window { segments, segment, stride: segment + gap };
            for count in 1..=ROWS {
                for extreme in [false, true] {
                    let byte = |d: &mut fastrand::Rng| if extreme { [0, 255][d.usize(..2)] } else { d.u8(..) };
                    let weight =
                        |d: &mut fastrand::Rng| if extreme { [-127, 127][d.usize(..2)] } else { d.i8(-127..=127) };
                    let rows: Vec<Vec<u8>> =
                        (0..count).map(|_| (0..window.span()).map(|_| byte(&mut draw)).collect()).collect();
                    let panel: Vec<i8> = (0..window.inputs() * LANES).map(|_| weight(&mut draw)).collect();
                    let expected: Vec<[i64; LANES]> = rows
                        .iter()
                        .map(|row| {
                            std::array::from_fn(|n| {
                                (0..window.inputs())
                                    .map(|k| {
                                        let byte = row[k / segment * window.stride + k % segment];
                                        let at = k / GROUP * GROUP * LANES + n * GROUP + k % GROUP;
                                        i64::from(byte) * i64::from(panel[at])
                                    })
                                    .sum()
                            })
                        })
                        .collect();
                    for isa in Isa::usable() {
                        assert_eq!(isa.run(Dot(&rows, window, &panel)), expected, "{isa}, {window:?}, {count} rows");
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_shorter_than_its_window_is_never_read() {
        let window = Window { segments: 2, segment: 8, stride: 20 };
        let panel = vec![1; window.inputs() * LANES];
        for isa in Isa::usable() {
            let short = [vec![1; window.span() - 1]];
            let caught = std::panic::catch_unwind(|| isa.run(Dot(&short, window, &panel)));
            assert!(caught.is_err(), "{isa}");
            let rows = [vec![1; window.span()]];
            let caught = std::panic::catch_unwind(|| isa.run(Dot(&rows, window, &panel[1..])));
            assert!(caught.is_err(), "{isa}");
            // Lengths that wrap around to those that are there.
            for wide in
                [Window { stride: usize::MAX - 7, ..window }, Window { segments: 1 << 61, segment: 8, stride: 0 }]
            {
                let caught = std::panic::catch_unwind(|| isa.run(Dot(&rows, wide, &panel)));
                assert!(caught.is_err(), "{isa}, {wide:?}");
            }
        }
    }
}
