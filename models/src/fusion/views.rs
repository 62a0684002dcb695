//! The adaptive fusion gate over modalities and the seven views that it makes (spec section 3.4).

use super::layers::Builder;
use super::{MODALITIES, VIEWS};
use crate::Result;
use crate::onnx::Value;

/// The gate's weights of audio, text and video; signed, not normalised.
pub(super) struct ModalityWeights {
    /// [B, 3].
    pub(super) all: Value,
    /// Each modality's [B, 1].
    columns: [Value; MODALITIES],
}

/// The views' queries.
pub(super) struct Views {
    /// [B, 7, D] in the order atv, at, tv, av, a, t, v.
    pub(super) queries: Value,
    /// The query of view t, [B, D].
    pub(super) text: Value,
}

impl Builder<'_> {
    /// Weights from the three vectors `h` [B, D].
    pub(super) fn modality_weights(&mut self, h: [&Value; MODALITIES]) -> Result<ModalityWeights> {
        let joined = self.graph.concat(&h, -1);
        let width = self.inner.width;
        let hidden = self.mlp("attention_mlp", &joined, MODALITIES * width, &[width, width])?;
        let all = self.linear("fc_att", &hidden, width, MODALITIES)?;
        let columns = [0, 1, 2].map(|m| self.graph.slice(&all, 1, m, m + 1));
        Ok(ModalityWeights { all, columns })
    }

    /// Queries of the seven views. Views of one modality take its vector without the weight.
    pub(super) fn views(&mut self, h: [&Value; MODALITIES], weights: &ModalityWeights) -> Result<Views> {
        let g = &mut self.graph;
        let [a, t, v] = [0, 1, 2].map(|m| g.mul(&weights.columns[m], h[m]));
        let at = g.add(&a, &t);
        let atv = g.add(&at, &v);
        let tv = g.add(&t, &v);
        let av = g.add(&a, &v);
        let fused = self.view("fused", &atv)?;
        let at = self.view("at", &at)?;
        let tv = self.view("tv", &tv)?;
        let av = self.view("av", &av)?;
        let audio = self.view("audio", h[0])?;
        let text = self.view("text", h[1])?;
        let video = self.view("video", h[2])?;
        let queries = [&fused, &at, &tv, &av, &audio, &text, &video];
        let queries: [Value; VIEWS] = queries.map(|q| self.graph.unsqueeze(q, 1));
        let queries = self.graph.concat(&queries.each_ref(), 1);
        Ok(Views { queries, text })
    }

    fn view(&mut self, name: &str, x: &Value) -> Result<Value> {
        let width = self.inner.width;
        self.mlp(&format!("cross_{name}_query_mlp"), x, width, &[width])
    }

    /// w_a C_a + w_t C_t + w_v C_v for `c` [B, 7, D / 2].
    pub(super) fn weighted_views(&mut self, weights: &ModalityWeights, c: [&Value; MODALITIES]) -> Value {
        let g = &mut self.graph;
        let [a, t, v] = [0, 1, 2].map(|m| {
            let weight = g.unsqueeze(&weights.columns[m], 2);
            g.mul(&weight, c[m])
        });
        let at = g.add(&a, &t);
        g.add(&at, &v)
    }
}
