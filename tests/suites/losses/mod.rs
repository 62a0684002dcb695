//! The training objective's terms in f64 (spec section 5), as an independent reading of the network's outputs.

use mien_models::fusion::FusionOutput;
use mien_models::tensor::Tensor;

/// Label distances this much smaller still count as equal; labels are thirds in f32.
const TOLERANCE: f64 = 1e-4;
const TEMPERATURE: f64 = 2.0;

/// Every term for one batch in both flows.
pub(crate) struct Losses {
    pub(crate) task_complete: f64,
    pub(crate) task_missing: f64,
    /// On the query of view t, as in the authors' code.
    pub(crate) mkd1_query: f64,
    /// On h_t, as in the paper.
    pub(crate) mkd1_representation: f64,
    pub(crate) mkd2: f64,
    pub(crate) rs: f64,
    pub(crate) rnc: f64,
}

impl Losses {
    pub(crate) fn of(complete: &[FusionOutput], missing: &[FusionOutput], labels: &[f64]) -> Self {
        let distance = |part: fn(&FusionOutput) -> &Tensor| rmse(&wide(complete, part), &wide(missing, part));
        let features: Vec<Vec<f64>> =
            complete.iter().chain(missing).map(|o| o.contrast.data().iter().map(|v| f64::from(*v)).collect()).collect();
        Self {
            task_complete: mse(complete, labels),
            task_missing: mse(missing, labels),
            mkd1_query: distance(|o| &o.text_hidden),
            mkd1_representation: distance(|o| &o.text_representation),
            mkd2: distance(|o| &o.text_cross),
            rs: distance(|o| &o.fused),
            rnc: rnc(&features, &[labels, labels].concat()),
        }
    }

    /// The weighted sum with MKD1 on the query.
    pub(crate) fn total(&self) -> f64 {
        0.5 * self.task_complete
            + 0.5 * self.task_missing
            + 0.1 * self.mkd1_query
            + 0.7 * self.mkd2
            + 0.13 * self.rs
            + 0.5 * self.rnc
    }
}

fn wide(flow: &[FusionOutput], part: fn(&FusionOutput) -> &Tensor) -> Vec<f64> {
    flow.iter().flat_map(|o| part(o).data()).map(|v| f64::from(*v)).collect()
}

fn mse(flow: &[FusionOutput], labels: &[f64]) -> f64 {
    let squares = flow.iter().zip(labels).map(|(o, y)| (y - f64::from(o.valence)).powi(2));
    squares.sum::<f64>() / flow.len() as f64
}

fn rmse(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    (a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
}

/// Rank-N-contrast: of all others that are at least as far in label, the nearer in label shall be the nearer in feature.
pub(crate) fn rnc(features: &[Vec<f64>], labels: &[f64]) -> f64 {
    let n = features.len();
    let similarity = |i: usize, j: usize| {
        let squares: f64 = features[i].iter().zip(&features[j]).map(|(a, b)| (a - b).powi(2)).sum();
        -squares.sqrt() / TEMPERATURE
    };
    let apart = |i: usize, j: usize| (labels[i] - labels[j]).abs();
    let mut sum = 0.0;
    for i in 0..n {
        for j in (0..n).filter(|&j| j != i) {
            let others = (0..n).filter(|&k| k != i && apart(i, k) >= apart(i, j) - TOLERANCE);
            sum += similarity(i, j) - others.map(|k| similarity(i, k).exp()).sum::<f64>().ln();
        }
    }
    -sum / (n * (n - 1)) as f64
}
