//! Products of a few rows with the columns of a matrix, in `f32`.

mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(super) use plain::Plain;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

/// Columns of a tile.
pub(super) const LANES: usize = 64;
/// Most rows of a tile.
pub(super) const ROWS: usize = 6;

/// A way of adding products up.
pub(super) trait FloatTile {
    /// `out[r][n]` = sum over k of `rows[r][k] * matrix[k * stride + n]`, added from the first k on, to what is there where
    /// `out` says so; all rows are as long as the first.
    ///
    /// # Panics
    /// When a row is shorter than the first one, the matrix has no [`LANES`] columns for its last k, or `out` has no
    /// [`LANES`] numbers for a row.
    fn product<const M: usize>(rows: [&[f32]; M], matrix: &[f32], stride: usize, out: Tile<'_>);
}

/// Where a tile's rows go: row r to the [`LANES`] numbers from r * stride on.
pub(super) struct Tile<'a> {
    pub(super) numbers: &'a mut [f32],
    pub(super) stride: usize,
    /// Whether the sums begin with what is there.
    pub(super) adds: bool,
}

/// The length that all rows have, and that the matrix and `out` serve.
#[inline(always)]
fn inputs<const M: usize>(rows: &[&[f32]; M], matrix: &[f32], stride: usize, out: &Tile<'_>) -> usize {
    let length = rows.first().map_or(0, |row| row.len());
    assert!(M <= ROWS && rows.iter().all(|row| row.len() >= length), "rows of different lengths");
    assert!(out.has_room::<M>(), "no room for a tile");
    let last = length.saturating_sub(1).checked_mul(stride).and_then(|at| at.checked_add(LANES));
    assert!(length == 0 || last.is_some_and(|last| matrix.len() >= last), "a matrix shorter than its rows");
    length
}

impl Tile<'_> {
    /// Whether there are [`LANES`] numbers for each of M rows, none of which shares any with another.
    #[inline(always)]
    pub(super) fn has_room<const M: usize>(&self) -> bool {
        // A stride within the slice, a few times, stays below what an address can be.
        let within = M == 1 || self.stride <= self.numbers.len();
        M > 0 && M <= ROWS && within && self.stride >= LANES && self.numbers.len() >= (M - 1) * self.stride + LANES
    }
}

#[cfg(test)]
mod tests {
    use super::super::Isa;
    use super::super::isa::{Tiles, Work};
    use super::super::rows::for_rows;
    use super::*;

    /// Rows, matrix, its stride, and what the sums begin with.
    struct Product<'a>(&'a [Vec<f32>], &'a [f32], usize, f32);

    impl Work for Product<'_> {
        type Output = Vec<[f32; LANES]>;

        #[inline(always)]
        fn run<T: Tiles>(self) -> Self::Output {
            let Self(rows, matrix, stride, _) = self;
            const STRIDE: usize = 70;
            let mut numbers = vec![0.0; ROWS * STRIDE];
            numbers.fill(self.3);
            let out = Tile { numbers: &mut numbers, stride: STRIDE, adds: self.3 != 0.0 };
            for_rows!(rows.len(), i => rows[i].as_slice(), rows => T::product(rows, matrix, stride, out));
            numbers.chunks(STRIDE).map(|row| std::array::from_fn(|n| row[n])).collect()
        }
    }

    #[test]
    fn sums_are_those_of_f64() {
        let mut draw = fastrand::Rng::with_seed(3);
        for (count, length, stride) in [(1, 1, 64), (2, 64, 64), (5, 77, 80), (6, 300, 192)] {
            let mut number = || draw.f32() - 0.5;
            let rows: Vec<Vec<f32>> = (0..count).map(|_| (0..length).map(|_| number()).collect()).collect();
            let matrix: Vec<f32> = (0..length * stride).map(|_| number()).collect();
            for (isa, begin) in Isa::usable().into_iter().flat_map(|isa| [(isa, 0.0), (isa, 2.5)]) {
                let out = isa.run(Product(&rows, &matrix, stride, begin));
                for (row, out) in rows.iter().zip(&out) {
                    for (n, found) in out.iter().enumerate() {
                        let product = |(k, v): (usize, &f32)| f64::from(*v) * f64::from(matrix[k * stride + n]);
                        let expected = f64::from(begin) + row.iter().enumerate().map(product).sum::<f64>();
                        assert!((f64::from(*found) - expected).abs() < 1e-5, "{isa}: {found} against {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_is_read_beyond_a_matrix() {
        for isa in Isa::usable() {
            let (rows, matrix) = ([vec![1.0; 3]], vec![1.0; 2 * 70 + LANES - 1]);
            assert!(std::panic::catch_unwind(|| isa.run(Product(&rows, &matrix, 70, 0.0))).is_err(), "{isa}");
            // A stride whose double wraps around to nothing.
            assert!(std::panic::catch_unwind(|| isa.run(Product(&rows, &matrix, 1 << 63, 0.0))).is_err(), "{isa}");
        }
    }
}
