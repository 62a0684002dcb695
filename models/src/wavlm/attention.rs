//! Weights of self-attention with gated relative position bias (spec section 2.1), with what can be folded into them.
//!
//! Two foldings, both exact up to rounding: 1/sqrt(head width) goes into the query map, and the gate's eight rows, which
//! are only ever summed by fours, become two.

use std::borrow::Cow;

use super::config::{GATE_ROWS, WavlmConfig};
use super::parameters::{Affine, affine};
use crate::Result;
use crate::tensor::NamedTensors;

/// The maps of queries, keys and values.
pub(super) const PROJECTIONS: [&str; 3] = [QUERY, "k_proj", "v_proj"];
const QUERY: &str = "q_proj";

/// Weight [hidden, hidden] and bias of the map `part`, one of [`PROJECTIONS`], of `attention`; queries come divided by the
/// root of a head's width.
pub(super) fn projection<'a>(
    config: &WavlmConfig,
    tensors: &'a NamedTensors,
    attention: &str,
    part: &str,
) -> Result<Affine<'a>> {
    let hidden = config.hidden;
    let (mut weight, mut bias) = affine(tensors, &format!("{attention}.{part}"), &[hidden, hidden])?;
    if part == QUERY {
        let scale = (config.head_width() as f32).sqrt().recip();
        for values in [&mut weight, &mut bias] {
            values.to_mut().iter_mut().for_each(|v| *v *= scale);
        }
    }
    Ok((weight, bias))
}

/// How much of the position bias each query takes: a (b c - 1) + 2 with (a, b) = sigmoid of two sums over the query's slice
/// of the stream, and c per head.
pub(super) struct Gate<'a> {
    /// [2, head width].
    pub(super) weight: Vec<f32>,
    /// `[2]`.
    pub(super) bias: Vec<f32>,
    /// `[heads]`.
    pub(super) constant: Cow<'a, [f32]>,
}

/// The gate of `attention`.
pub(super) fn gate<'a>(config: &WavlmConfig, tensors: &'a NamedTensors, attention: &str) -> Result<Gate<'a>> {
    let width = config.head_width();
    let (weight, bias) = affine(tensors, &format!("{attention}.gru_rel_pos_linear"), &[GATE_ROWS, width])?;
    let constant = tensors.get(&format!("{attention}.gru_rel_pos_const"), &[1, config.heads, 1, 1])?;
    Ok(Gate { weight: sum_row_groups(&weight, width), bias: sum_row_groups(&bias, 1), constant })
}

/// [8, width] -> [2, width]: the sum of the first four rows and of the last four.
fn sum_row_groups(matrix: &[f32], width: usize) -> Vec<f32> {
    let half = GATE_ROWS / 2 * width;
    matrix
        .chunks(half)
        .flat_map(|rows| {
            (0..width).map(move |c| rows.iter().skip(c).step_by(width).map(|&v| f64::from(v)).sum::<f64>())
        })
        .map(|sum| sum as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_summed_by_fours() {
        let matrix: Vec<f32> = (0..16).map(|i| i as f32).collect();
        assert_eq!(sum_row_groups(&matrix, 2), [12.0, 16.0, 44.0, 48.0]);
        assert_eq!(sum_row_groups(&matrix[..8], 1), [6.0, 22.0]);
    }
}
