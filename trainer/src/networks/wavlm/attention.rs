//! Self-attention with gated relative position bias (spec section 2.1).

use burn::tensor::activation::sigmoid;
use burn::tensor::{Int, Tensor, TensorData};
use mien_models::wavlm::position::bucket;

use super::Wavlm;
use crate::Result;
use crate::networks::host::{Visible, gated_softmax};
use crate::networks::layers::{by_head, by_row};

/// Rows of the gate's map, summed in two groups.
const GATE_ROWS: usize = 8;

impl Wavlm {
    /// Position bias P [heads, T, T]: P[h, i, j] = embedding[bucket(j - i), h]. Layer 0 owns the embedding.
    pub(super) fn position_bias(&self, length: usize) -> Result<Tensor<3>> {
        let (heads, buckets, longest) = (self.config.heads, self.config.buckets, self.config.max_distance);
        let embedding: Tensor<2> = self.parameters.get("encoder.layers.0.attention.rel_attn_embed.weight")?;
        let distances = 1 - length as i64..length as i64;
        let by_distance: Vec<i64> = distances.map(|d| bucket(d, buckets, longest) as i64).collect();
        // Query i's row of keys is a stretch of the distances, one further to the left than its predecessor's.
        let places: Vec<i64> =
            (0..length).flat_map(|i| by_distance.iter().skip(length - 1 - i).take(length).copied()).collect();
        let data = TensorData::new(places, [length * length]);
        let places: Tensor<1, Int> = Tensor::from_data(data, self.parameters.device());
        Ok(embedding.select(0, places).transpose().reshape([heads, length, length]))
    }

    /// Attention over the normed stream `z` [B T, hidden].
    pub(super) fn attention(&self, name: &str, z: Tensor<2>, bias: &Tensor<3>, visible: &Visible) -> Result<Tensor<2>> {
        let heads = self.config.heads;
        let [rows, _] = z.dims();
        let [_, length, _] = bias.dims();
        let clips = rows / length.max(1);
        let map = |part: &str| self.parameters.affine(&format!("{name}.{part}"), z.clone());
        let scale = 1.0 / (self.config.head_width() as f64).sqrt();
        let query = by_head(map("q_proj")?.mul_scalar(scale), clips, heads);
        let key = by_head(map("k_proj")?, clips, heads);
        let value = by_head(map("v_proj")?, clips, heads);
        let gate = self.gate(name, z.clone(), clips)?;
        let shares = gated_softmax(query.matmul(key.swap_dims(2, 3)), gate, bias.clone(), visible);
        self.parameters.affine(&format!("{name}.out_proj"), by_row(shares.matmul(value)))
    }

    /// How much of the position bias each query takes, [B, heads, T]: a (b c - 1) + 2 with (a, b) = sigmoid of two sums
    /// over the query's slice of `z`, and c per head.
    fn gate(&self, name: &str, z: Tensor<2>, clips: usize) -> Result<Tensor<3>> {
        let (heads, width) = (self.config.heads, self.config.head_width());
        let [rows, _] = z.dims();
        let sums = self.parameters.affine(&format!("{name}.gru_rel_pos_linear"), z.reshape([rows * heads, width]))?;
        let sums: Tensor<3> = sums.reshape([rows * heads, 2, GATE_ROWS / 2]).sum_dim(2);
        let shares: Tensor<3> = sigmoid(sums).reshape([rows, heads, 2]);
        let share = |i: usize| -> Tensor<2> { shares.clone().narrow(2, i, 1).reshape([rows, heads]) };
        let constant: Tensor<4> = self.parameters.get(&format!("{name}.gru_rel_pos_const"))?;
        let scaled = share(1) * constant.reshape([1, heads]);
        let gate = share(0) * scaled.sub_scalar(1.0) + 2.0;
        Ok(gate.reshape([clips, rows / clips.max(1), heads]).swap_dims(1, 2))
    }
}
