//! Self-attention with gated relative position bias (spec section 2.1).

use super::config::{GATE_ROWS, WavlmConfig};
use super::parameters::affine;
use super::position::DistanceTable;
use crate::Result;
use crate::onnx::{Graph, Value};
use crate::tensor::NamedTensors;

/// Position bias P [heads, T, T] for the length of `x` [T, hidden]: P[h, i, j] = embedding[bucket(j - i), h].
///
/// Block 0 owns the embedding; all blocks use the one P. The graph looks distances up in a table that covers all that
/// differ, so the length is free.
pub(super) fn position_bias(g: &mut Graph, config: &WavlmConfig, tensors: &NamedTensors, x: &Value) -> Result<Value> {
    g.scoped("encoder.position_bias", |g| {
        let embedding =
            tensors.get("encoder.layers.0.attention.rel_attn_embed.weight", &[config.buckets, config.heads])?;
        let table = DistanceTable::new(config, &embedding);
        let reach = table.reach as i64;
        let bias = g.weight("table", &[config.heads, 2 * table.reach + 1], &table.bias)?;
        let frames = g.length(x, 0);
        let frames = g.range(&frames);
        let keys = g.unsqueeze(&frames, 0);
        let queries = g.unsqueeze(&frames, 1);
        let distance = g.sub(&keys, &queries);
        let low = g.int_scalar("low", -reach);
        let high = g.int_scalar("high", reach);
        let distance = g.node("Max", &[&distance, &low], &[]);
        let distance = g.node("Min", &[&distance, &high], &[]);
        let column = g.add(&distance, &high);
        Ok(g.gather(&bias, &column, 1))
    })
}

/// Attention of layer `layer` over the normalised stream `z` [T, hidden] with `bias` from [`position_bias`].
///
/// Two foldings, both exact up to rounding: 1/sqrt(head width) goes into the query map, and the gate's eight rows, which
/// are only ever summed by fours, become two.
pub(super) fn attention(
    g: &mut Graph,
    config: &WavlmConfig,
    tensors: &NamedTensors,
    layer: usize,
    z: &Value,
    bias: &Value,
) -> Result<Value> {
    let (hidden, heads, width) = (config.hidden, config.heads as i64, config.head_width());
    let name = format!("encoder.layers.{layer}.attention");
    let map = |g: &mut Graph, part: &str, x: &Value, scale: f32| -> Result<Value> {
        let (mut weight, mut bias) = affine(tensors, &format!("{name}.{part}"), &[hidden, hidden])?;
        if scale != 1.0 {
            weight.to_mut().iter_mut().for_each(|v| *v *= scale);
            bias.to_mut().iter_mut().for_each(|v| *v *= scale);
        }
        g.scoped(part, |g| g.linear(x, &weight, &bias, hidden))
    };
    g.scoped("attention", |g| {
        let query = map(g, "q_proj", z, (width as f32).sqrt().recip())?;
        let key = map(g, "k_proj", z, 1.0)?;
        let value = map(g, "v_proj", z, 1.0)?;
        let mut by_head = |x: &Value, perm: &[i64]| {
            let x = g.reshape(x, &[-1, heads, width as i64]);
            g.transpose(&x, perm)
        };
        let query = by_head(&query, &[1, 0, 2]);
        let key = by_head(&key, &[1, 2, 0]);
        let value = by_head(&value, &[1, 0, 2]);
        let logits = g.matmul(&query, &key);
        let gate = gate(g, config, tensors, &name, z)?;
        let bias = g.mul(bias, &gate);
        let logits = g.add(&logits, &bias);
        let weights = g.softmax(&logits, -1);
        let context = g.matmul(&weights, &value);
        let context = g.transpose(&context, &[1, 0, 2]);
        let context = g.reshape(&context, &[-1, hidden as i64]);
        map(g, "out_proj", &context, 1.0)
    })
}

/// How much of the position bias each query takes, [heads, T, 1]: a (b c - 1) + 2 with (a, b) = sigmoid of two sums over
/// the query's slice of `z`, and c per head.
fn gate(g: &mut Graph, config: &WavlmConfig, tensors: &NamedTensors, name: &str, z: &Value) -> Result<Value> {
    let (heads, width) = (config.heads, config.head_width());
    let (weight, bias) = affine(tensors, &format!("{name}.gru_rel_pos_linear"), &[GATE_ROWS, width])?;
    let constant = tensors.get(&format!("{name}.gru_rel_pos_const"), &[1, heads, 1, 1])?;
    g.scoped("gate", |g| {
        let slices = g.reshape(z, &[-1, width as i64]);
        let sums = g.linear(&slices, &sum_row_groups(&weight, width), &sum_row_groups(&bias, 1), width)?;
        let shares = g.node("Sigmoid", &[&sums], &[]);
        let shares = g.reshape(&shares, &[-1, heads as i64, 2]);
        let shares = g.transpose(&shares, &[1, 0, 2]);
        let a = g.slice(&shares, 2, 0, 1);
        let b = g.slice(&shares, 2, 1, 2);
        let constant = g.weight("constant", &[heads, 1, 1], &constant)?;
        let one = g.scalar("one", 1.0);
        let two = g.scalar("two", 2.0);
        let scaled = g.mul(&b, &constant);
        let scaled = g.sub(&scaled, &one);
        let product = g.mul(&a, &scaled);
        Ok(g.add(&product, &two))
    })
}

/// [8, width] -> [2, width]: the sum of the first four rows and of the last four.
pub(super) fn sum_row_groups(matrix: &[f32], width: usize) -> Vec<f32> {
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
