//! How close two arrays of numbers are.

use crate::{QuantizeError, Result};

/// Sums over pairs of numbers, from which cosine and signal-to-noise ratio come; arrays can be added one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Similarity {
    float: f64,
    byte: f64,
    product: f64,
    error: f64,
    values: usize,
}

impl Similarity {
    /// Takes in numbers of the float network and those of the byte network in the same order; `what` is for messages.
    ///
    /// # Errors
    /// [`QuantizeError::Unequal`].
    pub fn add(&mut self, what: &str, float: &[f32], byte: &[f32]) -> Result<()> {
        if float.len() != byte.len() {
            return Err(QuantizeError::Unequal { what: what.into(), float: float.len(), byte: byte.len() });
        }
        for (a, b) in float.iter().zip(byte) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            self.float += a * a;
            self.byte += b * b;
            self.product += a * b;
            self.error += (a - b) * (a - b);
        }
        self.values += float.len();
        Ok(())
    }

    /// Numbers that were compared.
    #[must_use]
    pub fn values(&self) -> usize {
        self.values
    }

    /// Cosine of the angle between all numbers of one side and all of the other; 1 for two sides of zeros.
    #[must_use]
    pub fn cosine(&self) -> f64 {
        let sizes = (self.float * self.byte).sqrt();
        match (sizes > 0.0, self.float + self.byte > 0.0) {
            (true, _) => (self.product / sizes).clamp(-1.0, 1.0),
            (false, true) => 0.0,
            (false, false) => 1.0,
        }
    }

    /// Power of the float numbers over power of the difference, in dB; infinite where there is none.
    #[must_use]
    pub fn snr_db(&self) -> f64 {
        if self.error > 0.0 { 10.0 * (self.float / self.error).log10() } else { f64::INFINITY }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn similarity(float: &[f32], byte: &[f32]) -> Similarity {
        let mut similarity = Similarity::default();
        similarity.add("test", float, byte).unwrap();
        similarity
    }

    #[test]
    fn a_tenth_of_error_is_20_db() {
        // Error (0.3, 0.4) of (3, 4): 0.5 of 5.
        let found = similarity(&[3.0, 4.0], &[3.3, 4.4]);
        assert!((found.snr_db() - 20.0).abs() < 1e-4, "{}", found.snr_db());
        assert!((found.cosine() - 1.0).abs() < 1e-9, "the same direction");
        // A right angle as long as the signal itself: 45 degrees, 0 dB.
        let found = similarity(&[1.0, 0.0], &[1.0, 1.0]);
        assert!((found.cosine() - 0.5f64.sqrt()).abs() < 1e-12);
        assert!(found.snr_db().abs() < 1e-12);
        assert!((similarity(&[1.0, 2.0], &[-1.0, -2.0]).cosine() + 1.0).abs() < 1e-12);
    }

    #[test]
    fn parts_are_as_the_whole() {
        let (a, b): (Vec<f32>, Vec<f32>) = (0..100).map(|i| (i as f32, i as f32 + 0.1 * (i % 7) as f32)).unzip();
        let mut parts = Similarity::default();
        parts.add("test", &a[..33], &b[..33]).unwrap();
        parts.add("test", &a[33..], &b[33..]).unwrap();
        assert!((parts.snr_db() - similarity(&a, &b).snr_db()).abs() < 1e-9);
        assert_eq!(parts.values(), 100);
    }

    #[test]
    fn nothing_and_no_difference() {
        assert_eq!(similarity(&[1.0], &[1.0]).snr_db(), f64::INFINITY);
        assert!((similarity(&[0.0], &[0.0]).cosine() - 1.0).abs() < 1e-12);
        assert!(similarity(&[0.0], &[1.0]).cosine().abs() < 1e-12);
        assert!(Similarity::default().add("rows", &[1.0], &[]).is_err());
    }
}
