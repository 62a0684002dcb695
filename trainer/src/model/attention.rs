//! Attention over time: one learned query in stage 1, seven view queries in stage 2 (spec sections 3.2 and 3.5).

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

use super::host::tanh;
use super::layers::Linear;
use super::noise::Noise;
use super::sequence::Sequence;

/// Factor of the logits; the paper divides by tau = 10/3.
const SCALE: f64 = 0.3;

/// Stage 1: one learned query per modality.
#[derive(Module, Debug)]
pub(crate) struct Pooling {
    /// q_m [1, 256].
    pub(crate) attention_context_vector: Param<Tensor<2>>,
    pub(crate) input_proj: Linear,
}

impl Pooling {
    /// R_m [B, 256] of a projected modality.
    pub(crate) fn forward(&self, x: &Sequence, noise: &mut Noise) -> Tensor<2> {
        let (values, keys) = values_and_keys(&self.input_proj, x, noise);
        let [_, width] = keys.dims();
        let logits = keys.matmul(self.attention_context_vector.val().transpose());
        let logits = logits.reshape([x.clips, 1, x.longest]);
        noise.attention(attend(logits, values, x).reshape([x.clips, width]))
    }
}

/// Stage 2: one query per view.
#[derive(Module, Debug)]
pub(crate) struct Crossing {
    pub(crate) query_proj: Linear,
    pub(crate) input_proj: Linear,
}

impl Crossing {
    /// O_m [B n, 256] of a projected modality for n queries per clip, `queries` [B n, 256].
    pub(crate) fn forward(&self, queries: Tensor<2>, x: &Sequence, noise: &mut Noise) -> Tensor<2> {
        let queries = self.query_proj.forward(queries);
        let [all, width] = queries.dims();
        let queries = queries.reshape([x.clips, all / x.clips, width]);
        let (values, keys) = values_and_keys(&self.input_proj, x, noise);
        let keys = keys.reshape([x.clips, x.longest, width]);
        let logits = queries.matmul(keys.swap_dims(1, 2));
        noise.attention(attend(logits, values, x).reshape([all, width]))
    }
}

/// Dropped rows [B T, 256], and tanh of their affine map [B T, 256]: the same dropped rows are values and give keys.
fn values_and_keys(map: &Linear, x: &Sequence, noise: &mut Noise) -> (Tensor<2>, Tensor<2>) {
    let values = noise.attention(x.rows.clone());
    let keys = tanh(map.forward(values.clone()));
    (values, keys)
}

/// softmax over time of 0.3 `logits` [B, n, T], times `values` [B T, width]: [B, n, width].
fn attend(logits: Tensor<3>, values: Tensor<2>, x: &Sequence) -> Tensor<3> {
    let mut logits = logits.mul_scalar(SCALE);
    if let Some(excluded) = &x.excluded {
        logits = logits + excluded.clone();
    }
    let [_, width] = values.dims();
    softmax(logits, 2).matmul(values.reshape([x.clips, x.longest, width]))
}
