//! Functions of one number that the compiler turns into vector code: no table, no branch.

/// Added to a number below 2^22, it leaves the number rounded to the nearest whole one in the lowest bits.
pub(super) const ROUNDING: f32 = 12_582_912.0;
/// Below it, e^x is taken to be e^this, about 1e-38.
const LOWEST: f32 = -87.0;

/// e^x for x up to 0, to about 1e-7 of the result; no more than e^0 is asked for here.
///
/// x = n ln 2 + r with a whole n; e^r by the polynomial of Cephes' `expf`.
#[must_use]
#[inline(always)]
pub fn exp_of_negative(x: f32) -> f32 {
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    const POLYNOMIAL: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let x = if x > LOWEST { x } else { LOWEST };
    let shifted = x * std::f32::consts::LOG2_E + ROUNDING;
    let n = shifted - ROUNDING;
    let r = x - n * LN_2[0] - n * LN_2[1];
    let p = POLYNOMIAL.iter().skip(1).fold(POLYNOMIAL[0], |sum, c| sum * r + c);
    let power = p * r * r + r + 1.0;
    // n is in the lowest bits of `shifted`; adding it to the exponent multiplies by 2^n.
    f32::from_bits(power.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// x / 2 (1 + erf(x / sqrt 2)), to 5e-7 or that share of x.
///
/// erf is a rational function of its argument, clamped to where it is 1 in `f32`: fewer steps than an exponential, and
/// this is computed for millions of numbers in an utterance. The coefficients are those of Eigen's `erf` for `f32`.
#[must_use]
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    const MOST: f32 = 4.0;
    const ABOVE: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const BELOW: [f32; 5] = [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    let z = x * std::f32::consts::FRAC_1_SQRT_2;
    let z = if z < MOST { z } else { MOST };
    let z = if z > -MOST { z } else { -MOST };
    let square = z * z;
    let mut above = ABOVE[0];
    for c in ABOVE.into_iter().skip(1) {
        above = above * square + c;
    }
    let mut below = BELOW[0];
    for c in BELOW.into_iter().skip(1) {
        below = below * square + c;
    }
    // NaN comes through the factor x.
    0.5 * x * (1.0 + z * above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_f64() {
        for i in 0..=870_000 {
            let x = -1e-4 * i as f32;
            let (found, expected) = (f64::from(exp_of_negative(x)), f64::from(x).exp());
            assert!((found - expected).abs() <= 3e-7 * expected, "{x}: {found} against {expected}");
        }
        assert_eq!(exp_of_negative(0.0), 1.0);
        assert!(exp_of_negative(f32::NEG_INFINITY) < 2e-38);
    }

    /// erf by its series, in f64.
    fn erf(x: f64) -> f64 {
        let mut term = x;
        let mut sum = x;
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    #[test]
    fn gelu_is_that_of_f64() {
        for i in -60_000..=60_000 {
            let x = 1e-4 * i as f32;
            let exact = f64::from(x) / 2.0 * (1.0 + erf(f64::from(x) / 2f64.sqrt()));
            let found = f64::from(gelu(x));
            assert!((found - exact).abs() < 5e-7 * f64::from(x.abs().max(1.0)), "{x}: {found} against {exact}");
        }
        assert_eq!(gelu(0.0), 0.0);
        assert!((gelu(50.0) - 50.0).abs() < 3e-5);
        assert!(gelu(-50.0).abs() < 3e-5);
    }

    #[test]
    fn what_is_no_number_stays_none() {
        assert!(gelu(f32::NAN).is_nan());
    }
}
