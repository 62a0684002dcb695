//! GELU and the gate of a llama's feed-forward part.

use burn::tensor::Tensor;
use burn::tensor::activation::{self, sigmoid};
use rayon::prelude::*;

use super::functions::{self, exp, normal_share};
use super::{BLOCK, Operation, apply, flat};

/// 1 / sqrt(2 pi)
const DENSITY_AT_0: f32 = 0.398_942_3;

/// x (1 + erf(x / sqrt 2)) / 2.
pub(in crate::networks) fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match apply(Gelu, [flat(x.clone())], x.dims()) {
        Some(y) => y,
        None => activation::gelu(x),
    }
}

#[derive(Clone, Debug)]
struct Gelu;

impl Operation<1> for Gelu {
    fn value(&self, [x]: [&[f32]; 1]) -> Vec<f32> {
        mapped(x.len(), |first, out| {
            for (y, x) in out.iter_mut().zip(rest(x, first)) {
                *y = x * normal_share(*x);
            }
        })
    }

    fn slope(&self, [x]: [&[f32]; 1], _output: &[f32], slope: &[f32]) -> [Vec<f32>; 1] {
        [mapped(x.len(), |first, out| {
            let inputs = rest(x, first).iter().zip(rest(slope, first));
            for (y, (x, slope)) in out.iter_mut().zip(inputs) {
                *y = slope * (normal_share(*x) + x * DENSITY_AT_0 * exp(-0.5 * x * x));
            }
        })]
    }
}

/// x sigmoid(x) times y, where x is the `gate` and y is `up`, of one shape.
pub(in crate::networks) fn swiglu<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    match apply(Swiglu, [flat(gate.clone()), flat(up.clone())], gate.dims()) {
        Some(y) => y,
        None => gate.clone() * sigmoid(gate) * up,
    }
}

#[derive(Clone, Debug)]
struct Swiglu;

impl Operation<2> for Swiglu {
    fn value(&self, [gate, up]: [&[f32]; 2]) -> Vec<f32> {
        mapped(gate.len(), |first, out| {
            let inputs = rest(gate, first).iter().zip(rest(up, first));
            for (y, (gate, up)) in out.iter_mut().zip(inputs) {
                *y = gate * functions::sigmoid(*gate) * up;
            }
        })
    }

    fn slope(&self, [gate, up]: [&[f32]; 2], _output: &[f32], slope: &[f32]) -> [Vec<f32>; 2] {
        let by_gate = mapped(gate.len(), |first, out| {
            let inputs = rest(gate, first).iter().zip(rest(up, first)).zip(rest(slope, first));
            for (y, ((gate, up), slope)) in out.iter_mut().zip(inputs) {
                let s = functions::sigmoid(*gate);
                *y = slope * up * s * (1.0 + gate * (1.0 - s));
            }
        });
        let by_up = mapped(gate.len(), |first, out| {
            for (y, (gate, slope)) in out.iter_mut().zip(rest(gate, first).iter().zip(rest(slope, first))) {
                *y = slope * gate * functions::sigmoid(*gate);
            }
        });
        [by_gate, by_up]
    }
}

/// `x` from number `first` on.
fn rest(x: &[f32], first: usize) -> &[f32] {
    x.get(first..).unwrap_or_default()
}

/// `n` numbers, written block by block; `write` takes the place of a block's first number.
fn mapped(n: usize, write: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut out = vec![0f32; n];
    out.par_chunks_mut(BLOCK).enumerate().for_each(|(block, out)| write(block * BLOCK, out));
    out
}
