//! Random numbers of synthetic corpora, one after the other from a key.

use crate::hash::{key, mix, unit};

/// A stream of random numbers that depends on its key alone.
#[derive(Clone, Debug)]
pub(crate) struct Draw {
    key: u64,
    drawn: u64,
}

impl Draw {
    /// The stream of `parts`; their order counts.
    pub(crate) fn new(parts: &[u64]) -> Self {
        Self { key: key(parts), drawn: 0 }
    }

    /// A number in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        self.drawn += 1;
        unit(mix(self.key, self.drawn))
    }

    /// A number of the standard normal distribution (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let [a, b] = [self.unit(), self.unit()];
        (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }

    /// Whether something of this probability happens.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A whole number from `least` to `most`.
    pub(crate) fn between(&mut self, least: usize, most: usize) -> usize {
        least + (self.unit() * (most - least + 1) as f64) as usize
    }

    /// A log-normal number, rounded and held between `least` and `most`: lengths of utterances are so distributed.
    pub(crate) fn length(&mut self, median: f64, deviation: f64, least: usize, most: usize) -> usize {
        ((median * (deviation * self.normal()).exp()).round() as usize).clamp(least, most)
    }

    /// `width` normal numbers times `scale`.
    pub(crate) fn vector(&mut self, width: usize, scale: f64) -> Vec<f64> {
        (0..width).map(|_| scale * self.normal()).collect()
    }

    /// A direction: `width` normal numbers brought to length 1.
    pub(crate) fn direction(&mut self, width: usize) -> Vec<f64> {
        let vector = self.vector(width, 1.0);
        let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        vector.into_iter().map(|v| v / length).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_distributions_that_they_are_named_after() {
        let mut draw = Draw::new(&[1, 2]);
        let n = 20_000;
        let moments = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / n as f64;
            (mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64)
        };
        let normal: Vec<f64> = (0..n).map(|_| draw.normal()).collect();
        let (mean, variance) = moments(&normal);
        // Five standard errors.
        assert!(mean.abs() < 0.036 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        let lengths: Vec<usize> = (0..n).map(|_| draw.length(6.0, 0.5, 1, 20)).collect();
        let below = lengths.iter().filter(|l| **l < 6).count();
        let above = lengths.iter().filter(|l| **l > 6).count();
        assert!(below < n / 2 && above < n / 2, "the median is 6: {below} below, {above} above");
        assert!(lengths.iter().all(|l| (1..=20).contains(l)));
        let places: Vec<usize> = (0..n).map(|_| draw.between(3, 5)).collect();
        for place in 3..=5 {
            let count = places.iter().filter(|p| **p == place).count();
            assert!(count.abs_diff(n / 3) < 340, "{place}: {count}");
        }
        let length = draw.direction(16).iter().map(|v| v * v).sum::<f64>();
        assert!((length - 1.0).abs() < 1e-12);
        assert_ne!(Draw::new(&[1, 2]).unit(), Draw::new(&[2, 1]).unit());
    }
}
