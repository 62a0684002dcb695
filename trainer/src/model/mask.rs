//! A dropout mask as a function of a key: number `i` of it is a hash of the key and `i`.

use burn::tensor::{Device, Distribution};
use rayon::prelude::*;

use crate::hash::mix;

/// Numbers worked on by one task; even, because one hash gives two numbers.
pub(super) const BLOCK: usize = 1 << 14;

/// Which numbers of a tensor are set to zero, and what the others are multiplied with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mask {
    key: u64,
    /// 32 bits below this are dropped.
    threshold: u32,
    /// 1 / (1 - share).
    kept: f32,
}

impl Mask {
    /// The mask of `key` that drops `share` (0 to below 1) of all numbers.
    pub(super) fn new(key: u64, share: f64) -> Self {
        Self { key, threshold: (share * 4_294_967_296.0) as u32, kept: (1.0 / (1.0 - share)) as f32 }
    }

    /// Multiplies `values`, the tensor's numbers from `first` (even) on, with their factors.
    pub(super) fn apply(&self, first: usize, values: &mut [f32]) {
        let factor = |bits: u32| if bits < self.threshold { 0.0 } else { self.kept };
        let first = (first / 2) as u64;
        let (pairs, rest) = values.as_chunks_mut::<2>();
        for (i, [a, b]) in pairs.iter_mut().enumerate() {
            let bits = mix(self.key, first + i as u64);
            *a *= factor(bits as u32);
            *b *= factor((bits >> 32) as u32);
        }
        if let [last] = rest {
            *last *= factor(mix(self.key, first + pairs.len() as u64) as u32);
        }
    }

    /// What the factors are multiplied with where they are 1 rather than 0.
    pub(super) fn kept(&self) -> f32 {
        self.kept
    }

    /// 1 for what is kept, 0 for what is dropped.
    pub(super) fn distribution(&self) -> Distribution {
        Distribution::Bernoulli(1.0 - f64::from(self.threshold) / 4_294_967_296.0)
    }

    /// Lets the device's generator begin at this mask's key.
    pub(super) fn seed(&self, device: &Device) {
        device.seed(self.key);
    }

    /// The first `n` factors.
    pub(super) fn factors(&self, n: usize) -> Vec<f32> {
        let mut all = vec![1f32; n];
        all.par_chunks_mut(BLOCK).enumerate().for_each(|(block, out)| self.apply(block * BLOCK, out));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::key;

    #[test]
    fn shares_are_kept_and_the_mean_is_one() {
        for share in [0.3, 0.5] {
            let n = 1_000_001;
            let factors = Mask::new(7, share).factors(n);
            let zeros = factors.iter().filter(|f| **f == 0.0).count() as f64 / n as f64;
            let mean = factors.iter().map(|f| f64::from(*f)).sum::<f64>() / n as f64;
            // Five standard deviations of a share of a million draws are 0.0025.
            assert!((zeros - share).abs() < 0.0025, "{zeros} of {share}");
            assert!((mean - 1.0).abs() < 0.005, "{mean}");
        }
    }

    #[test]
    fn neighbours_steps_flows_and_masks_are_independent() {
        let n = 1 << 20;
        let factors = |parts: &[u64]| Mask::new(key(parts), 0.5).factors(n);
        let agreement =
            |a: &[f32], b: &[f32]| a.iter().zip(b).filter(|(a, b)| a == b).count() as f64 / a.len().min(b.len()) as f64;
        let one = factors(&[42, 1, 0, 0]);
        for (what, other) in [
            ("next number", one[1..].to_vec()),
            ("next step", factors(&[42, 2, 0, 0])),
            ("other flow", factors(&[42, 1, 1, 0])),
            ("next mask", factors(&[42, 1, 0, 1])),
        ] {
            assert!((agreement(&one, &other) - 0.5).abs() < 0.0025, "{what}");
        }
    }
}
