//! Attention over time: one learned query in stage 1, seven view queries in stage 2 (spec sections 3.2 and 3.5).

use super::config::Inner;
use super::layers::{Builder, narrowed, widened};
use crate::Result;
use crate::onnx::Value;

/// Factor of the logits; the paper divides by tau = 10/3.
const SCALE: f32 = 0.3;
/// Logit of an excluded position. Keys lie in [-1, 1], so no logit comes near it, and exp of it is exactly 0.
const EXCLUDED: f32 = -1e30;

/// A modality after projection.
pub(super) struct Sequence {
    /// X_m [B, T, D], f64: keys are computed from it, values are it.
    pub(super) rows: Value,
    /// [B, 1, T]: true where a row takes part.
    pub(super) mask: Value,
}

impl Builder<'_> {
    /// h_m [B, D] of modality `m`, whose stage-1 MLP is `mlp`.
    pub(super) fn pool(&mut self, m: usize, mlp: &str, x: &Sequence) -> Result<Value> {
        let key = format!("fra2utt_{m}");
        let width = self.inner.width;
        let query = self.constant(&format!("{key}.attention_context_vector"), &[1, width], &[1, 1, width])?;
        let pooled = self.attend(&key, &query, x)?;
        let pooled = self.graph.reshape(&pooled, &[0, width as i64]);
        self.mlp(mlp, &pooled, width, &[width, width])
    }

    /// C_m [B, 7, D / 2] of modality `m` for `queries` [B, 7, D].
    pub(super) fn cross(&mut self, m: usize, mlp: &str, queries: &Value, x: &Sequence) -> Result<Value> {
        let key = format!("cross_att_fra2utt_{m}");
        let Inner { width, cross, .. } = self.inner;
        let queries = self.linear(&format!("{key}.query_proj"), queries, width, width)?;
        let attended = self.attend(&key, &queries, x)?;
        self.mlp(mlp, &attended, width, &[width, cross])
    }

    /// softmax over time of 0.3 query K^T, times the rows: f64 [B, n, D] for a query [B or 1, n, D].
    fn attend(&mut self, key: &str, query: &Value, x: &Sequence) -> Result<Value> {
        let rows = narrowed(&mut self.graph, &x.rows);
        let width = self.inner.width;
        let keys = self.sequence_linear(&format!("{key}.input_proj"), &rows, width, width)?;
        self.graph.scoped(key, |g| {
            let keys = narrowed(g, &keys);
            let keys = g.node("Tanh", &[&keys], &[]);
            let keys = widened(g, &keys);
            let keys = g.transpose(&keys, &[0, 2, 1]);
            let logits = g.matmul(query, &keys);
            let scale = g.scalar("scale", SCALE);
            let scale = widened(g, &scale);
            let logits = g.mul(&logits, &scale);
            let excluded = g.scalar("excluded", EXCLUDED);
            let excluded = widened(g, &excluded);
            let logits = g.node("Where", &[&x.mask, &logits, &excluded], &[]);
            let weights = g.softmax(&logits, -1);
            Ok(g.matmul(&weights, &x.rows))
        })
    }
}
