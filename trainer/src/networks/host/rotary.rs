//! Rotary positions in transformers' layout: element j of a head turns with element j + half.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use super::{Operation, apply};

/// Angles of every place of a sequence.
#[derive(Clone, Debug)]
pub(in crate::networks) struct Rotation {
    /// Places.
    length: usize,
    /// Half the width of a head.
    half: usize,
    /// Cosine and sine [length, half].
    angles: Arc<(Vec<f32>, Vec<f32>)>,
}

impl Rotation {
    /// The angle of pair j at place t is t `base`^(-2 j / `width`), for heads of `width` numbers.
    pub(in crate::networks) fn new(length: usize, width: usize, base: f64) -> Self {
        let half = width / 2;
        // As the reference: frequencies and angles are rounded to f32 before cosine and sine are taken.
        let frequency = |j: usize| (1.0 / base.powf(2.0 * j as f64 / width as f64)) as f32;
        let angle = |i: usize| (i / half) as f32 * frequency(i % half);
        let cosines = (0..length * half).map(|i| angle(i).cos()).collect();
        let sines = (0..length * half).map(|i| angle(i).sin()).collect();
        Self { length, half, angles: Arc::new((cosines, sines)) }
    }
}

/// `x` [clips T, heads x width] with every head turned by the angles of its place, T being the rotation's length.
pub(in crate::networks) fn rotate(x: Tensor<2>, rotation: &Rotation) -> Tensor<2> {
    let [n, all] = x.dims();
    let operation = Rotate { rotation: rotation.clone(), all };
    match apply(operation, [x.clone().reshape([n * all])], [n, all]) {
        Some(y) => y,
        None => {
            let Rotation { length, half, angles } = rotation;
            let (clips, heads) = (n / length, all / (2 * half));
            let [cosines, sines] = [&angles.0, &angles.1].map(|values| -> Tensor<4> {
                let data = TensorData::new(values.clone(), [1, *length, 1, *half]);
                Tensor::from_data(data, (&x.device(), x.dtype()))
            });
            let x: Tensor<4> = x.reshape([clips, *length, heads, 2 * half]);
            let (first, second) = (x.clone().narrow(3, 0, *half), x.narrow(3, *half, *half));
            let turned = vec![
                first.clone() * cosines.clone() - second.clone() * sines.clone(),
                second * cosines + first * sines,
            ];
            Tensor::cat(turned, 3).reshape([n, all])
        }
    }
}

#[derive(Clone, Debug)]
struct Rotate {
    rotation: Rotation,
    /// Numbers in a row.
    all: usize,
}

impl Rotate {
    fn turned(&self, x: &[f32], forth: bool) -> Vec<f32> {
        let Rotation { length, half, angles } = &self.rotation;
        let mut out = vec![0f32; x.len()];
        let rows = out.par_chunks_mut(self.all).zip(x.par_chunks(self.all));
        rows.enumerate().for_each(|(row, (out, x))| {
            let place = row % length * half;
            let [cosines, sines] = [&angles.0, &angles.1].map(|a| a.get(place..place + half).unwrap_or_default());
            for (out, x) in out.chunks_exact_mut(2 * half).zip(x.chunks_exact(2 * half)) {
                let (out_first, out_second) = out.split_at_mut(*half);
                let (first, second) = x.split_at(*half);
                let pairs = first.iter().zip(second).zip(cosines.iter().zip(sines));
                for ((a, b), ((x, y), (cosine, sine))) in out_first.iter_mut().zip(out_second).zip(pairs) {
                    let sine = if forth { *sine } else { -sine };
                    *a = x * cosine - y * sine;
                    *b = y * cosine + x * sine;
                }
            }
        });
        out
    }
}

impl Operation<1> for Rotate {
    fn value(&self, [x]: [&[f32]; 1]) -> Vec<f32> {
        self.turned(x, true)
    }

    fn slope(&self, _inputs: [&[f32]; 1], _output: &[f32], slope: &[f32]) -> [Vec<f32>; 1] {
        [self.turned(slope, false)]
    }
}
