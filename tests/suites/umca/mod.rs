//! The fusion network in f64, loop by loop: a second implementation that shares nothing with the graph.

use std::collections::BTreeMap;

use mien_models::fusion::{FusionConfig, FusionInput, Mia, MiaResidual};
use mien_models::tensor::{NamedTensors, Tensor};

type Vector = Vec<f64>;
type Rows = Vec<Vector>;

/// Exact values of one clip.
pub(crate) struct Exact {
    pub(crate) valence: Vector,
    pub(crate) fused: Vector,
    pub(crate) contrast: Vector,
    pub(crate) text_hidden: Vector,
    pub(crate) text_cross: Vector,
}

/// The network with unpadded clips (spec sections 3 and 4).
pub(crate) struct Umca {
    config: FusionConfig,
    /// Rows of each tensor; one row for a vector.
    tensors: BTreeMap<String, Rows>,
}

impl Umca {
    pub(crate) fn new(config: FusionConfig, tensors: &NamedTensors) -> Self {
        let rows = |name: &str| {
            let shape = tensors.shape(name).unwrap();
            let data = tensors.get(name, shape).unwrap();
            let row = |row: &[f32]| row.iter().map(|v| f64::from(*v)).collect();
            data.chunks_exact(*shape.last().unwrap()).map(row).collect()
        };
        Self { config, tensors: tensors.names().map(|name| (name.to_owned(), rows(name))).collect() }
    }

    pub(crate) fn run(&self, clip: &FusionInput<'_>) -> Exact {
        let imagine = clip.text_missing && self.config.mia == Mia::On;
        let x: Vec<Rows> = [clip.audio, clip.text, clip.video]
            .iter()
            .enumerate()
            .map(|(m, e)| self.rows(&format!("frame_dim_reshape_{m}"), &wide(e)))
            .collect();

        let mut h: Rows = ["audio_mlp", "text_mlp", "video_mlp"]
            .iter()
            .zip(&x)
            .enumerate()
            .map(|(m, (mlp, x))| {
                let query = &self.tensors[&format!("fra2utt_{m}.attention_context_vector")][0];
                self.mlp(mlp, 2, &self.attend(&format!("fra2utt_{m}"), query, x))
            })
            .collect();
        if imagine {
            h[1] = self.imagine("missing_text_imagination_mlp", &h[0], &h[1], &h[2]);
        }

        let w = self.linear("fc_att", &self.mlp("attention_mlp", 2, &h.concat()));
        let mixed = |members: &[usize]| -> Vector {
            (0..h[0].len()).map(|d| members.iter().map(|&m| w[m] * h[m][d]).sum()).collect()
        };
        let views = [
            ("fused", mixed(&[0, 1, 2])),
            ("at", mixed(&[0, 1])),
            ("tv", mixed(&[1, 2])),
            ("av", mixed(&[0, 2])),
            ("audio", h[0].clone()),
            ("text", h[1].clone()),
            ("video", h[2].clone()),
        ];
        let queries: Rows = views.iter().map(|(k, v)| self.mlp(&format!("cross_{k}_query_mlp"), 1, v)).collect();

        let mut c: Vec<Rows> = ["cross_audio_mlp", "cross_text_mlp", "cross_video_mlp"]
            .iter()
            .zip(&x)
            .enumerate()
            .map(|(m, (mlp, x))| {
                let key = format!("cross_att_fra2utt_{m}");
                let queries = self.rows(&format!("{key}.query_proj"), &queries);
                queries.iter().map(|q| self.mlp(mlp, 2, &self.attend(&key, q, x))).collect()
            })
            .collect();
        if imagine {
            let key = "missing_cross_text_query_imagination_mlp";
            c[1] = (0..c[1].len()).map(|k| self.imagine(key, &c[0][k], &c[1][k], &c[2][k])).collect();
        }

        let z: Rows = (0..queries.len())
            .map(|k| (0..c[0][k].len()).map(|d| (0..3).map(|m| w[m] * c[m][k][d]).sum()).collect())
            .collect();
        let u = self.linear("cross_fc_att", &self.mlp("cross_attention_mlp", 2, &z.concat()));
        let fused: Vector = (0..z[0].len()).map(|d| u.iter().zip(&z).map(|(u, z)| u * z[d]).sum()).collect();
        Exact {
            valence: self.linear("fc_out_v", &fused),
            contrast: self.linear("orgin_linear_change.2", &relu(self.linear("orgin_linear_change.0", &fused))),
            fused,
            text_hidden: queries[5].clone(),
            text_cross: c[1].concat(),
        }
    }

    fn imagine(&self, key: &str, audio: &[f64], text: &[f64], video: &[f64]) -> Vector {
        let hidden = relu(self.linear(&format!("{key}.transition.0"), &[audio, text, video].concat()));
        let transition = self.linear(&format!("{key}.transition.2"), &hidden);
        let encoded = self.linear(&format!("{key}.encoder_0.0"), &transition);
        let decoded = self.linear(&format!("{key}.decoder_0.0"), &encoded);
        let residual = match self.config.mia_residual {
            MiaResidual::Text => text,
            MiaResidual::Transition => &transition,
        };
        decoded.iter().zip(residual).map(|(a, b)| a + b).collect()
    }

    fn attend(&self, key: &str, query: &[f64], x: &Rows) -> Vector {
        let keys = self.rows(&format!("{key}.input_proj"), x);
        let logit = |k: &Vector| 0.3 * k.iter().zip(query).map(|(k, q)| k.tanh() * q).sum::<f64>();
        let logits: Vector = keys.iter().map(logit).collect();
        let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares: Vector = logits.iter().map(|l| (l - largest).exp()).collect();
        let sum: f64 = shares.iter().sum();
        (0..query.len()).map(|d| shares.iter().zip(x).map(|(s, row)| s / sum * row[d]).sum()).collect()
    }

    fn mlp(&self, key: &str, layers: usize, x: &[f64]) -> Vector {
        (0..layers).fold(x.to_vec(), |x, i| relu(self.linear(&format!("{key}.{}", 3 * i), &x)))
    }

    fn linear(&self, key: &str, x: &[f64]) -> Vector {
        self.rows(key, &vec![x.to_vec()]).remove(0)
    }

    fn rows(&self, key: &str, rows: &Rows) -> Rows {
        let (weight, bias) = (&self.tensors[&format!("{key}.weight")], &self.tensors[&format!("{key}.bias")][0]);
        let dot = |w: &Vector, x: &Vector| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
        rows.iter().map(|x| weight.iter().zip(bias).map(|(w, b)| dot(w, x) + b).collect()).collect()
    }
}

fn relu(x: Vector) -> Vector {
    x.into_iter().map(|v| v.max(0.0)).collect()
}

fn wide(rows: &Tensor) -> Rows {
    let width = rows.width();
    rows.data().chunks_exact(width).map(|row| row.iter().map(|v| f64::from(*v)).collect()).collect()
}
