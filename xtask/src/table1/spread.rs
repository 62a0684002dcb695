//! A mean and how sure it is.

/// Mean and spread of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) mean: f64,
    /// Standard deviation (n - 1); 0 for one number.
    pub(super) deviation: f64,
    /// Standard error of the mean.
    pub(super) error: f64,
}

impl Spread {
    pub(super) fn of(values: &[f64]) -> Self {
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        let deviation = (squares / (n - 1.0).max(1.0)).sqrt();
        Self { mean, deviation, error: deviation / n.sqrt() }
    }

    /// Of the differences `a` - `b`, one by one.
    pub(super) fn of_differences(a: &[f64], b: &[f64]) -> Self {
        Self::of(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>())
    }

    /// Whether the mean is above 0 by more than twice its standard error.
    pub(super) fn is_above(self) -> bool {
        self.mean > 2.0 * self.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_those_of_a_sample() {
        // Deviation sqrt(32 / 7); its root of eight is the error.
        let spread = Spread::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!((spread.mean, spread.deviation), (5.0, (32f64 / 7.0).sqrt()));
        assert!((spread.error - (4f64 / 7.0).sqrt()).abs() < 1e-12 && spread.is_above());
        assert_eq!(Spread::of(&[3.0]).deviation, 0.0);
        let apart = Spread::of_differences(&[1.0, 3.0], &[2.0, 2.0]);
        assert!(apart.mean == 0.0 && !apart.is_above());
    }
}
