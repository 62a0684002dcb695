//! Rank-N-contrast: of all clips that are at least as far in label, the nearer in label shall be the nearer in feature.
//!
//! With d_ij the Euclidean distance of features i and j, l_ij = -d_ij / T, and S_ij the clips k != i whose label is at
//! least as far from i's as j's is, less a tolerance,
//!
//! L = -1/(n(n-1)) sum over i, j != i of ( l_ij - log sum over k in S_ij of exp l_ik ).
//!
//! Sorted by label distance from i, every S_ij is a suffix of the other clips. One pass from the far end gives all
//! logarithms of sums, one pass back gives the slope: n^2 log n instead of the n^3 of the definition, in f64, with a
//! maximum taken out of every sum. The slope of a distance at 0 is 0 (spec section 5).

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

/// Temperature and tolerance of label distances.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rnc {
    /// T
    pub temperature: f64,
    /// Label distances this much smaller still count as equal.
    pub tolerance: f64,
}

/// The loss of `features` [n, width], row-major, with `labels` `[n]`, and its slope [n, width]. n below 2 gives 0.
pub fn rank_n_contrast(features: &[f64], labels: &[f64], settings: &Rnc) -> (f64, Vec<f64>) {
    let n = labels.len();
    let mut slope = vec![0.0; features.len()];
    if n < 2 || features.is_empty() {
        return (0.0, slope);
    }
    let width = features.len() / n;
    let rows: Vec<&[f64]> = features.chunks_exact(width).collect();
    let rows_of: Vec<Row> = (0..n).into_par_iter().map(|i| Row::new(i, &rows, labels, settings)).collect();
    let scale = -1.0 / (n * (n - 1)) as f64;
    let loss = scale * rows_of.iter().map(|row| row.sum).sum::<f64>();
    for (i, row) in rows_of.iter().enumerate() {
        for &(j, distance, by_logit) in &row.others {
            if distance == 0.0 {
                continue;
            }
            let factor = scale * by_logit * (-1.0 / settings.temperature) / distance;
            for c in 0..width {
                let step = factor * (rows[i][c] - rows[j][c]);
                slope[i * width + c] += step;
                slope[j * width + c] -= step;
            }
        }
    }
    (loss, slope)
}

/// The part of one anchor.
struct Row {
    /// Sum over j of l_ij - log of the sum over `S_ij`.
    sum: f64,
    /// Every other clip j with d_ij and the slope of `sum` by l_ij.
    others: Vec<(usize, f64, f64)>,
}

impl Row {
    fn new(i: usize, rows: &[&[f64]], labels: &[f64], settings: &Rnc) -> Self {
        let apart = |j: usize| (labels[i] - labels[j]).abs();
        let mut order: Vec<usize> = (0..labels.len()).filter(|&j| j != i).collect();
        order.sort_by(|&a, &b| apart(a).total_cmp(&apart(b)));
        let distance = |j: usize| rows[i].iter().zip(rows[j]).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let distances: Vec<f64> = order.iter().map(|&j| distance(j)).collect();
        let logits: Vec<f64> = distances.iter().map(|d| -d / settings.temperature).collect();
        // log of the sum over the clips from a place on.
        let mut suffix = logits.clone();
        for place in (0..suffix.len().saturating_sub(1)).rev() {
            suffix[place] = log_sum(logits[place], suffix[place + 1]);
        }
        // Where each clip's set begins. It begins no later than the clip itself, and never moves back.
        let mut starts = Vec::with_capacity(order.len());
        let mut start = 0;
        for &j in &order {
            while apart(order[start]) < apart(j) - settings.tolerance {
                start += 1;
            }
            starts.push(start);
        }
        let sum = logits.iter().zip(&starts).map(|(logit, &start)| logit - suffix[start]).sum();
        // log of the sum of 1 / (sum of the set) over all sets that begin up to a place.
        let mut reciprocal = f64::NEG_INFINITY;
        let mut next = 0;
        let mut others = Vec::with_capacity(order.len());
        for (place, &j) in order.iter().enumerate() {
            while let Some(&start) = starts.get(next).filter(|&&start| start <= place) {
                reciprocal = log_sum(reciprocal, -suffix[start]);
                next += 1;
            }
            others.push((j, distances[place], 1.0 - (logits[place] + reciprocal).exp()));
        }
        Self { sum, others }
    }
}

/// log(exp a + exp b)
fn log_sum(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// The loss of `features` [n, width] as a tensor `[1]` with its slope.
///
/// Value and slope come from [`rank_n_contrast`]; the tensor is the constant value plus the slope times features minus
/// the same features as constants, which is zero.
pub(super) fn loss(features: Tensor<2>, labels: &[f32], settings: &Rnc) -> Tensor<1> {
    let (device, dtype, shape) = (features.device().inner(), features.dtype(), features.shape());
    let constant = features.clone().inner();
    // What cannot be read is NaN, which stops the run.
    let numbers = constant.clone().try_into_vec_as::<f64>().unwrap_or_else(|_| vec![f64::NAN; shape.num_elements()]);
    let labels: Vec<f64> = labels.iter().map(|label| f64::from(*label)).collect();
    let (value, slope) = rank_n_contrast(&numbers, &labels, settings);
    let slope: Tensor<2> = Tensor::from_data(TensorData::new(slope, shape), (&device, dtype));
    ((features - constant) * slope).sum().add_scalar(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{mix, unit};

    const SETTINGS: Rnc = Rnc { temperature: 2.0, tolerance: 1e-4 };

    /// The definition, term by term.
    fn by_definition(features: &[Vec<f64>], labels: &[f64], settings: &Rnc) -> f64 {
        let n = labels.len();
        let logit = |i: usize, j: usize| {
            let squares: f64 = features[i].iter().zip(&features[j]).map(|(a, b)| (a - b).powi(2)).sum();
            -squares.sqrt() / settings.temperature
        };
        let apart = |i: usize, j: usize| (labels[i] - labels[j]).abs();
        let mut sum = 0.0;
        for i in 0..n {
            for j in (0..n).filter(|&j| j != i) {
                let set = (0..n).filter(|&k| k != i && apart(i, k) >= apart(i, j) - settings.tolerance);
                sum += logit(i, j) - set.map(|k| logit(i, k).exp()).sum::<f64>().ln();
            }
        }
        -sum / (n * (n - 1)) as f64
    }

    #[test]
    fn golden_values_of_the_specification() {
        let features = [0.0, 0.0, 1.0, 0.0, 0.0, 2.0, 0.5, 0.0, 1.0, 1.0, 0.0, 3.0];
        for (labels, expected) in [([0.0, 1.0 / 3.0, -1.0], 1.0307809891), ([0.0, 1.0, -1.00005], 1.1813986787)] {
            let (found, _) = rank_n_contrast(&features, &[labels, labels].concat(), &SETTINGS);
            assert!((found - expected).abs() < 1e-9, "{found:.10}, expected {expected}");
        }
    }

    /// Tied labels, equal features, far outliers: value against the definition, slope against differences.
    #[test]
    fn value_and_slope_are_those_of_the_definition() {
        for (n, width, tolerance) in [(2, 1, 1e-4), (9, 3, 1e-4), (40, 8, 1e-4), (12, 2, 0.4)] {
            let settings = Rnc { temperature: 2.0, tolerance };
            let number = |i: usize| 2.0 * unit(mix(n as u64, i as u64)) - 1.0;
            let mut features: Vec<Vec<f64>> =
                (0..n).map(|i| (0..width).map(|c| 3.0 * number(i * width + c)).collect()).collect();
            if n > 4 {
                features[3] = features[1].clone();
            }
            let labels: Vec<f64> = (0..n).map(|i| f64::from((number(1000 + i) * 9.0).round() as f32 / 3.0)).collect();
            let value = by_definition(&features, &labels, &settings);
            let (found, slope) = rank_n_contrast(&features.concat(), &labels, &settings);
            assert!((found - value).abs() < 1e-12 * value.max(1.0), "{found} for {value}");
            for i in (0..n).filter(|&i| n <= 4 || (i != 1 && i != 3)) {
                for c in 0..width {
                    let at = |step: f64| {
                        let mut moved = features.clone();
                        moved[i][c] += step;
                        by_definition(&moved, &labels, &settings)
                    };
                    let expected = (at(1e-5) - at(-1e-5)) / 2e-5;
                    let found = slope[i * width + c];
                    assert!((found - expected).abs() < 1e-9, "n {n}, feature {i},{c}: {found}, expected {expected}");
                }
            }
        }
    }

    #[test]
    fn equal_and_very_distant_features_give_finite_numbers() {
        for features in [vec![0.0; 6], vec![0.0, 1e4, -1e4, 3e4, 5.0, 6.0], vec![1e150, -1e150, 0.0, 1.0, 2.0, 3.0]] {
            let (value, slope) = rank_n_contrast(&features, &[0.0, 1.0, 2.0, 0.0, 1.0, 2.0], &SETTINGS);
            assert!(value.is_finite(), "{value}");
            assert!(slope.iter().all(|s| s.is_finite()), "{slope:?}");
        }
        // One clip, two flows: the set of each holds the other alone, and log exp of a logit is the logit.
        assert_eq!(rank_n_contrast(&[0.0, 5.0], &[1.0, 1.0], &SETTINGS).0, 0.0);
    }
}
