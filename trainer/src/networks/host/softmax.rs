//! Softmax over the keys that a query may see.

use burn::tensor::{Tensor, activation};
use rayon::prelude::*;

use super::functions::exp;
use super::{Operation, apply, flat};

/// Which keys a query sees.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::networks) enum Visible {
    /// Those up to its own place.
    Causal,
    /// The first so many, by clip.
    Lengths(Vec<usize>),
}

impl Visible {
    /// Keys that query `query` of clip `clip` sees, of `keys`; at least one.
    fn count(&self, clip: usize, query: usize, keys: usize) -> usize {
        let count = match self {
            Self::Causal => query + 1,
            Self::Lengths(lengths) => lengths.get(clip).copied().unwrap_or(keys),
        };
        count.clamp(1, keys.max(1))
    }

    /// 0 for what is seen and a number that no logit outweighs for the rest: [clips, 1, queries, keys].
    fn excluded(&self, logits: &Tensor<4>) -> Tensor<4> {
        let [clips, _, queries, keys] = logits.dims();
        let mut values = Vec::with_capacity(clips * queries * keys);
        for clip in 0..clips {
            for query in 0..queries {
                let seen = self.count(clip, query, keys);
                values.extend((0..keys).map(|key| if key < seen { 0.0 } else { -1e30f32 }));
            }
        }
        let data = burn::tensor::TensorData::new(values, [clips, 1, queries, keys]);
        Tensor::from_data(data, (&logits.device(), logits.dtype()))
    }
}

/// Softmax of `logits` [clips, heads, queries, keys] over the keys that are `visible`; the others' share is exactly 0.
pub(in crate::networks) fn softmax(logits: Tensor<4>, visible: &Visible) -> Tensor<4> {
    let shape = logits.dims();
    let operation = Softmax { visible: visible.clone(), shape };
    match apply(operation, [flat(logits.clone())], shape) {
        Some(shares) => shares,
        None => {
            let excluded = visible.excluded(&logits);
            activation::softmax(logits + excluded, 3)
        }
    }
}

/// Softmax of `logits` [clips, heads, T, T] + `gate` [clips, heads, T] x `bias` [heads, T, T] over visible keys.
pub(in crate::networks) fn gated_softmax(
    logits: Tensor<4>,
    gate: Tensor<3>,
    bias: Tensor<3>,
    visible: &Visible,
) -> Tensor<4> {
    let shape = logits.dims();
    let operation = GatedSoftmax { visible: visible.clone(), shape };
    let inputs = [flat(logits.clone()), flat(gate.clone()), flat(bias.clone())];
    match apply(operation, inputs, shape) {
        Some(shares) => shares,
        None => {
            let excluded = visible.excluded(&logits);
            let bias = gate.unsqueeze_dim::<4>(3) * bias.unsqueeze::<4>();
            activation::softmax(logits + bias + excluded, 3)
        }
    }
}

#[derive(Clone, Debug)]
struct Softmax {
    visible: Visible,
    shape: [usize; 4],
}

impl Operation<1> for Softmax {
    fn value(&self, [logits]: [&[f32]; 1]) -> Vec<f32> {
        let [_, heads, queries, keys] = self.shape;
        let mut out = vec![0f32; logits.len()];
        let maps = out.par_chunks_mut(queries * keys).zip(logits.par_chunks(queries * keys));
        maps.enumerate().for_each(|(map, (out, logits))| {
            let rows = out.chunks_exact_mut(keys).zip(logits.chunks_exact(keys));
            for (query, (out, logits)) in rows.enumerate() {
                let seen = self.visible.count(map / heads, query, keys);
                for (y, x) in out.iter_mut().zip(logits).take(seen) {
                    *y = *x;
                }
                normalise(out.get_mut(..seen).unwrap_or_default());
            }
        });
        out
    }

    fn slope(&self, _inputs: [&[f32]; 1], output: &[f32], slope: &[f32]) -> [Vec<f32>; 1] {
        let [_, _, queries, keys] = self.shape;
        let mut out = vec![0f32; output.len()];
        let maps = output.par_chunks(queries * keys).zip(slope.par_chunks(queries * keys));
        out.par_chunks_mut(queries * keys).zip(maps).for_each(|(out, (shares, slope))| {
            let rows = shares.chunks_exact(keys).zip(slope.chunks_exact(keys));
            for (out, (shares, slope)) in out.chunks_exact_mut(keys).zip(rows) {
                row_slope(out, shares, slope);
            }
        });
        [out]
    }
}

#[derive(Clone, Debug)]
struct GatedSoftmax {
    visible: Visible,
    shape: [usize; 4],
}

impl Operation<3> for GatedSoftmax {
    fn value(&self, [logits, gate, bias]: [&[f32]; 3]) -> Vec<f32> {
        let [_, heads, queries, keys] = self.shape;
        let size = queries * keys;
        let mut out = vec![0f32; logits.len()];
        let maps = logits.par_chunks(size).zip(gate.par_chunks(queries));
        out.par_chunks_mut(size).zip(maps).enumerate().for_each(|(map, (out, (logits, gate)))| {
            let bias = bias.get(map % heads * size..).unwrap_or_default();
            let rows = logits.chunks_exact(keys).zip(bias.chunks_exact(keys)).zip(gate);
            for (query, (out, ((logits, bias), gate))) in out.chunks_exact_mut(keys).zip(rows).enumerate() {
                let seen = self.visible.count(map / heads, query, keys);
                for (y, (x, bias)) in out.iter_mut().zip(logits.iter().zip(bias)).take(seen) {
                    *y = x + gate * bias;
                }
                normalise(out.get_mut(..seen).unwrap_or_default());
            }
        });
        out
    }

    fn slope(&self, [_, gate, bias]: [&[f32]; 3], output: &[f32], slope: &[f32]) -> [Vec<f32>; 3] {
        let [clips, heads, queries, keys] = self.shape;
        let size = queries * keys;
        let mut by_logits = vec![0f32; output.len()];
        let mut by_gate = vec![0f32; gate.len()];
        let maps = output.par_chunks(size).zip(slope.par_chunks(size));
        let outs = by_logits.par_chunks_mut(size).zip(by_gate.par_chunks_mut(queries));
        outs.zip(maps).enumerate().for_each(|(map, ((out, by_gate), (shares, slope)))| {
            let bias = bias.get(map % heads * size..).unwrap_or_default();
            let rows = shares.chunks_exact(keys).zip(slope.chunks_exact(keys)).zip(bias.chunks_exact(keys));
            for ((out, by_gate), ((shares, slope), bias)) in out.chunks_exact_mut(keys).zip(by_gate).zip(rows) {
                row_slope(out, shares, slope);
                *by_gate = out.iter().zip(bias).map(|(slope, bias)| slope * bias).sum();
            }
        });
        // One head's map is the sum over all clips; heads are apart from each other.
        let mut by_bias = vec![0f32; bias.len()];
        by_bias.par_chunks_mut(size).enumerate().for_each(|(head, out)| {
            for clip in 0..clips {
                let map = clip * heads + head;
                let slopes = by_logits.get(map * size..).unwrap_or_default().chunks_exact(keys);
                let gates = gate.get(map * queries..).unwrap_or_default();
                for (out, (slopes, gate)) in out.chunks_exact_mut(keys).zip(slopes.zip(gates)) {
                    out.iter_mut().zip(slopes).for_each(|(out, slope)| *out += gate * slope);
                }
            }
        });
        [by_logits, by_gate, by_bias]
    }
}

/// Softmax of one row in place.
fn normalise(row: &mut [f32]) {
    let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|x| *x = exp(*x - highest));
    let scale = 1.0 / row.iter().sum::<f32>();
    row.iter_mut().for_each(|x| *x *= scale);
}

/// The slope by the logits of one row.
fn row_slope(out: &mut [f32], shares: &[f32], slope: &[f32]) {
    let mean: f32 = shares.iter().zip(slope).map(|(share, slope)| share * slope).sum();
    for (out, (share, slope)) in out.iter_mut().zip(shares.iter().zip(slope)) {
        *out = share * (slope - mean);
    }
}
