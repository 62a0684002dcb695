//! What the networks before the fusion learn by: the next token, a transcript without times, a class.
//!
//! Value and slope come from one function on plain numbers in f64; the tensor is the constant value plus the slope times
//! the scores minus the same scores as constants, which is zero.

mod ctc;
mod next_token;

use burn::tensor::{Tensor, TensorData};

pub use ctc::{ctc, ctc_loss, greedy};
pub use next_token::{cross_entropy, next_token};

use crate::{Result, TrainerError};

/// Scores [N, choices] as plain numbers.
fn plain(scores: &Tensor<2>) -> Result<Vec<f64>> {
    let numbers = scores.clone().inner().try_into_vec_as::<f64>();
    numbers.map_err(|e| TrainerError::Engine { action: "read the scores", reason: format!("{e:?}") })
}

/// A tensor `[1]` of `value` whose slope by `scores` is `slope`.
fn with_slope(scores: Tensor<2>, value: f64, slope: Vec<f64>) -> Tensor<1> {
    let (shape, dtype) = (scores.shape(), scores.dtype());
    let constant = scores.clone().detach();
    let slope: Tensor<2> = Tensor::from_data(TensorData::new(slope, shape), (&scores.device(), dtype));
    ((scores - constant) * slope).sum().add_scalar(value)
}

/// log of the sum of e^x over `values`.
fn log_sum(values: &[f64]) -> f64 {
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if highest == f64::NEG_INFINITY {
        return highest;
    }
    highest + values.iter().map(|x| (x - highest).exp()).sum::<f64>().ln()
}

fn refused(what: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> TrainerError {
    TrainerError::input("scores", what, expected, found)
}
