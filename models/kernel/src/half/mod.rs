//! Products of a few rows with the columns of a matrix, both in halves: the upper 16 bits of an `f32` (bfloat16), two of
//! them in a number of 32 bits, the first one low. The sums are `f32`.

mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(super) use plain::Plain;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::Avx512;

use super::float::{LANES, ROWS, Tile};

/// A way of adding products of halves up.
pub(super) trait HalfTile {
    /// Whether this is faster than the same in `f32`.
    const FAST: bool;

    /// The numbers of `from`, rounded to the nearest half, into `to`, two in each; NaN stays NaN.
    ///
    /// # Panics
    /// When `from` is not twice as long as `to`.
    fn halve(from: &[f32], to: &mut [u32]);

    /// `out[r][n]` = sum over k of the products of both halves of `rows[r][k]` and `matrix[k * LANES + n]`.
    ///
    /// # Panics
    /// When a row is shorter than the first one, the matrix has no [`LANES`] columns for its last k, or `out` has no
    /// [`LANES`] numbers for a row.
    fn half_product<const M: usize>(rows: [&[u32]; M], matrix: &[u32], out: Tile<'_>);
}

/// `x` as a half, in the low bits: to the nearest, ties to even.
#[inline(always)]
pub(super) fn half(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    // A NaN might be rounded to infinity.
    if x.is_nan() { 0x7fc0 } else { rounded }
}

/// The length that all rows have, and that the matrix and `out` serve.
#[inline(always)]
fn inputs<const M: usize>(rows: &[&[u32]; M], matrix: &[u32], out: &Tile<'_>) -> usize {
    let length = rows.first().map_or(0, |row| row.len());
    assert!(M <= ROWS && rows.iter().all(|row| row.len() >= length), "rows of different lengths");
    assert!(out.has_room::<M>(), "no room for a tile");
    assert!(length.checked_mul(LANES).is_some_and(|needed| matrix.len() >= needed), "a matrix shorter than its rows");
    length
}

#[cfg(test)]
mod tests {
    use super::super::Isa;
    use super::super::isa::{Tiles, Work};
    use super::*;

    struct Halve<'a>(&'a [f32]);

    impl Work for Halve<'_> {
        type Output = Vec<u32>;

        #[inline(always)]
        fn run<T: Tiles>(self) -> Vec<u32> {
            let mut pairs = vec![0; self.0.len() / 2];
            T::halve(self.0, &mut pairs);
            pairs
        }
    }

    struct Product<'a>(&'a [Vec<u32>; 2], &'a [u32]);

    impl Work for Product<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<T: Tiles>(self) -> Vec<f32> {
            let mut numbers = vec![0.0; 2 * LANES];
            let to = Tile { numbers: &mut numbers, stride: LANES, adds: false };
            T::half_product([&self.0[0], &self.0[1]], self.1, to);
            numbers
        }
    }

    fn of(half: u32) -> f64 {
        f64::from(f32::from_bits(half << 16))
    }

    #[test]
    fn a_half_is_the_nearest_one() {
        let mut draw = fastrand::Rng::with_seed(6);
        let mut numbers: Vec<f32> = (0..20_000).map(|_| (draw.f32() - 0.5) * 10f32.powi(draw.i32(-20..20))).collect();
        // Halfway between two halves: the even one.
        numbers.extend([
            1.0 + 1.0 / 256.0,
            1.0 + 3.0 / 256.0,
            -1.0 - 1.0 / 256.0,
            0.0,
            f32::INFINITY,
            f32::NEG_INFINITY,
        ]);
        for isa in Isa::usable() {
            for (x, half) in numbers.iter().zip(isa.run(Halve(&numbers)).iter().flat_map(|p| [p & 0xffff, p >> 16])) {
                if x.is_infinite() || *x == 0.0 {
                    assert_eq!(of(half), f64::from(*x), "{isa}");
                    continue;
                }
                let apart = |half: u32| (of(half) - f64::from(*x)).abs();
                for other in [half - 1, half + 1] {
                    let even = apart(half) == apart(other) && half % 2 == 0;
                    assert!(apart(half) < apart(other) || even, "{isa}: {x} as {}", of(half));
                }
            }
            let odd = [f32::NAN, f32::from_bits(0x7fff_ffff), f32::from_bits(0xff80_0001), 1.0];
            let halves = isa.run(Halve(&odd));
            assert!([halves[0] & 0xffff, halves[0] >> 16, halves[1] & 0xffff].iter().all(|h| of(*h).is_nan()), "{isa}");
        }
    }

    #[test]
    fn sums_are_those_of_f64() {
        let mut draw = fastrand::Rng::with_seed(7);
        for length in [1, 2, 33, 128] {
            let mut pairs = |count: usize| -> Vec<u32> {
                (0..count).map(|_| half(draw.f32() - 0.5) | half(draw.f32() - 0.5) << 16).collect()
            };
            let (rows, matrix) = ([pairs(length), pairs(length)], pairs(length * LANES));
            for isa in Isa::usable() {
                let found = isa.run(Product(&rows, &matrix));
                for (i, found) in found.iter().enumerate() {
                    let term = |k: usize| {
                        let (a, b) = (rows[i / LANES][k], matrix[k * LANES + i % LANES]);
                        of(a & 0xffff) * of(b & 0xffff) + of(a >> 16) * of(b >> 16)
                    };
                    let expected: f64 = (0..length).map(term).sum();
                    assert!((f64::from(*found) - expected).abs() < 1e-5, "{isa}: {found} against {expected}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_read_beyond_a_matrix() {
        for isa in Isa::usable() {
            let (rows, matrix) = ([vec![1; 3], vec![1; 3]], vec![1; 3 * LANES - 1]);
            assert!(std::panic::catch_unwind(|| isa.run(Product(&rows, &matrix))).is_err(), "{isa}");
        }
    }
}
