//! Layer normalisation of rows.

use super::Isa;
use super::isa::{Tiles, Work};
use super::threads::{for_blocks, threads};

/// Numbers that are added side by side.
const LANES: usize = 64;

/// A layer norm's constants: y = (x - mean) / sqrt(variance + epsilon) * gain + bias.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    gain: &'a [f32],
    bias: &'a [f32],
    epsilon: f32,
}

impl<'a> Norm<'a> {
    /// None when gain and bias are of different lengths, or empty.
    #[must_use]
    pub fn new(gain: &'a [f32], bias: &'a [f32], epsilon: f32) -> Option<Self> {
        (!gain.is_empty() && gain.len() == bias.len()).then_some(Self { gain, bias, epsilon })
    }

    /// Numbers in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.gain.len()
    }

    /// Every row of `x`.
    pub fn run(self, x: &mut [f32], isa: Isa) {
        let rows = (x.len() / self.width()).max(1);
        for_blocks(x, rows.div_ceil(threads()) * self.width(), |_, rows| isa.run(Rows(self, rows)));
    }

    #[inline(always)]
    pub(super) fn row(&self, row: &mut [f32]) {
        let count = row.len() as f32;
        let mean = sum(row, |v| v) / count;
        // The second pass takes the deviations as they are: no difference of large squares.
        let variance = sum(row, |v| (v - mean) * (v - mean)) / count;
        let scale = 1.0 / (variance + self.epsilon).sqrt();
        for ((v, gain), bias) in row.iter_mut().zip(self.gain).zip(self.bias) {
            *v = (*v - mean) * scale * gain + bias;
        }
    }
}

#[inline(always)]
fn sum(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    let mut chunks = row.chunks_exact(LANES);
    for chunk in &mut chunks {
        (0..LANES).for_each(|i| sums[i] += of(chunk[i]));
    }
    sums.iter().sum::<f32>() + chunks.remainder().iter().map(|v| of(*v)).sum::<f32>()
}

struct Rows<'a, 'x>(Norm<'a>, &'x mut [f32]);

impl Work for Rows<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<T: Tiles>(self) {
        let Self(norm, rows) = self;
        rows.chunks_exact_mut(norm.width()).for_each(|row| norm.row(row));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_row_is_normalised_as_in_f64() {
        let mut draw = fastrand::Rng::with_seed(8);
        for width in [1, 7, 64, 513] {
            let mut numbers = |offset: f32| -> Vec<f32> { (0..width).map(|_| draw.f32() + offset).collect() };
            let (gain, bias) = (numbers(0.5), numbers(-0.5));
            let x = [numbers(100.0), numbers(0.0), vec![0.0; width]].concat();
            for isa in Isa::usable() {
                let mut found = x.clone();
                Norm::new(&gain, &bias, 1e-5).unwrap().run(&mut found, isa);
                for (row, found) in x.chunks(width).zip(found.chunks(width)) {
                    let mean = row.iter().map(|v| f64::from(*v)).sum::<f64>() / width as f64;
                    let variance = row.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / width as f64;
                    for i in 0..width {
                        let expected = (f64::from(row[i]) - mean) / (variance + 1e-5).sqrt() * f64::from(gain[i])
                            + f64::from(bias[i]);
                        assert!(
                            (f64::from(found[i]) - expected).abs() < 2e-4,
                            "{isa}: {} against {expected}",
                            found[i]
                        );
                    }
                }
            }
        }
        assert!(Norm::new(&[1.0], &[], 0.0).is_none() && Norm::new(&[], &[], 0.0).is_none());
    }
}
