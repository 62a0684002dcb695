//! Functions of one number without table and branch, so that the compiler makes vector instructions of them.

/// e^x, to about 1e-7 of the result; beyond 87 either way it stays as it is there.
///
/// x = n ln 2 + r with a whole n; e^r by its series to the seventh power.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const BOUND: f32 = 87.0;
    // Added to a number below 2^22, it leaves the number rounded to a whole one in the lowest bits.
    const ROUNDING: f32 = 12_582_912.0;
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = x.clamp(-BOUND, BOUND);
    let shifted = x * std::f32::consts::LOG2_E + ROUNDING;
    let n = shifted - ROUNDING;
    let r = x - n * LN_2[0] - n * LN_2[1];
    let mut p = 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// 1 / (1 + e^-x)
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The share of the standard normal distribution below x, (1 + erf(x / sqrt 2)) / 2.
///
/// erf is the rational function that Eigen has for f32, clamped to where it is 1.
#[inline(always)]
pub(super) fn normal_share(x: f32) -> f32 {
    let z = (x * std::f32::consts::FRAC_1_SQRT_2).clamp(-4.0, 4.0);
    let s = z * z;
    let mut p = -2.726_142_3e-10_f32;
    p = p * s + 2.770_681_4e-8;
    p = p * s - 2.101_024e-6;
    p = p * s - 5.692_506_4e-5;
    p = p * s - 7.349_906_3e-4;
    p = p * s - 2.954_6e-3;
    p = p * s - 1.609_603_3e-2;
    let mut q = -1.456_607_2e-5_f32;
    q = q * s - 2.133_740_6e-4;
    q = q * s - 1.682_827e-3;
    q = q * s - 7.373_329e-3;
    q = q * s - 1.426_473_9e-2;
    0.5 + 0.5 * z * p / q
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_f64() {
        for i in -860_000..=860_000 {
            let x = 1e-4 * i as f32;
            let (found, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found - expected).abs() <= 4e-7 * expected, "{x}: {found} against {expected}");
        }
        assert!(exp(f32::NEG_INFINITY) < 2e-38 && exp(f32::INFINITY) > 1e37 && exp(f32::NAN).is_nan());
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn the_sigmoid_is_that_of_f64() {
        for i in -3000..=3000 {
            let x = 1e-2 * i as f32;
            let expected = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!((f64::from(sigmoid(x)) - expected).abs() < 3e-7, "{x}");
        }
    }

    /// By the series of erf in f64.
    #[test]
    fn the_normal_share_is_that_of_f64() {
        for i in -50_000..=50_000 {
            let x = 1e-4 * i as f32;
            let z = f64::from(x) / 2f64.sqrt();
            let (mut term, mut sum) = (z, z);
            for n in 1..200 {
                term *= -z * z / f64::from(n);
                sum += term / f64::from(2 * n + 1);
            }
            let expected = 0.5 + 0.5 * sum * std::f64::consts::FRAC_2_SQRT_PI;
            assert!((f64::from(normal_share(x)) - expected).abs() < 5e-7, "{x}");
        }
        assert!(normal_share(f32::NAN).is_nan());
    }
}
