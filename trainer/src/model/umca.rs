//! The network: audio, text and video sequences of a batch in, valences and what the objective compares out (spec
//! sections 3 and 4).

use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor};
use mien_models::fusion::{FusionConfig, Mia};

use super::attention::{Crossing, Pooling};
use super::imagination::Imagination;
use super::layers::{Head, Linear, Mlp1, Mlp2, UnusedNorm, UnusedRelu, head, mlp1, mlp2};
use super::noise::Noise;
use super::sequence::Sequence;

/// UMCA with MIA. A parameter's path is its key in the authors' state dict (spec/checkpoint section 1).
#[derive(Module, Debug)]
pub struct Umca {
    #[module(skip)]
    pub(super) config: FusionConfig,
    pub(super) frame_dim_reshape_0: Linear,
    pub(super) frame_dim_reshape_1: Linear,
    pub(super) frame_dim_reshape_2: Linear,
    pub(super) missing_text_imagination_mlp: Imagination,
    pub(super) missing_cross_text_query_imagination_mlp: Imagination,
    pub(super) fra2utt_0: Pooling,
    pub(super) fra2utt_1: Pooling,
    pub(super) fra2utt_2: Pooling,
    pub(super) audio_mlp: Mlp2,
    pub(super) text_mlp: Mlp2,
    pub(super) video_mlp: Mlp2,
    pub(super) attention_mlp: Mlp2,
    pub(super) fc_att: Linear,
    pub(super) cross_fused_query_mlp: Mlp1,
    pub(super) cross_at_query_mlp: Mlp1,
    pub(super) cross_tv_query_mlp: Mlp1,
    pub(super) cross_av_query_mlp: Mlp1,
    pub(super) cross_audio_query_mlp: Mlp1,
    pub(super) cross_text_query_mlp: Mlp1,
    pub(super) cross_video_query_mlp: Mlp1,
    pub(super) cross_att_fra2utt_0: Crossing,
    pub(super) cross_att_fra2utt_1: Crossing,
    pub(super) cross_att_fra2utt_2: Crossing,
    pub(super) cross_audio_mlp: Mlp2,
    pub(super) cross_text_mlp: Mlp2,
    pub(super) cross_video_mlp: Mlp2,
    pub(super) cross_attention_mlp: Mlp2,
    pub(super) cross_fc_att: Linear,
    pub(super) fc_out_e: Linear,
    pub(super) fc_out_v: Linear,
    pub(super) fc_out_ev: Linear,
    pub(super) orgin_linear_change: Head,
    pub(super) prelu: UnusedRelu,
    pub(super) layer_normali: UnusedNorm,
}

/// A modality after its projection to 256 numbers per row. Audio and video are common to both flows.
#[derive(Clone, Debug)]
pub struct Projected(Sequence);

/// What one flow gives for B clips. Every tensor is f32, or f64 where the inputs and weights are.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Valence `[B]`, nominally in [-3, 3], not clamped.
    pub valence: Tensor<1>,
    /// r [B, 128], the fused representation.
    pub fused: Tensor<2>,
    /// f [B, 64], the contrastive feature.
    pub contrast: Tensor<2>,
    /// h_t [B, 256], after MIA-1 when text is missing.
    pub text_representation: Tensor<2>,
    /// Query of view t [B, 256].
    pub text_hidden: Tensor<2>,
    /// C_t [B, 7, 128], after MIA-2 when text is missing.
    pub text_cross: Tensor<3>,
    /// Weights of audio, text, video [B, 3]; signed, not normalised.
    pub modality_weights: Tensor<2>,
    /// Weights of the views atv, at, tv, av, a, t, v [B, 7]; signed, not normalised.
    pub view_weights: Tensor<2>,
}

impl Flow {
    /// The same as f32: sums over a batch in shorter numbers would lose what they add.
    pub(crate) fn in_f32(self) -> Self {
        Self {
            valence: self.valence.cast(DType::F32),
            fused: self.fused.cast(DType::F32),
            contrast: self.contrast.cast(DType::F32),
            text_representation: self.text_representation.cast(DType::F32),
            text_hidden: self.text_hidden.cast(DType::F32),
            text_cross: self.text_cross.cast(DType::F32),
            modality_weights: self.modality_weights.cast(DType::F32),
            view_weights: self.view_weights.cast(DType::F32),
        }
    }
}

impl Umca {
    /// The sizes and switches that the network was made with.
    pub fn config(&self) -> &FusionConfig {
        &self.config
    }

    /// X_a of audio rows [B T, audio width].
    pub fn project_audio(&self, audio: &Sequence) -> Projected {
        project(&self.frame_dim_reshape_0, audio)
    }

    /// X_t of text rows, real or simulated [B T, text width]: both share their weights.
    pub fn project_text(&self, text: &Sequence) -> Projected {
        project(&self.frame_dim_reshape_1, text)
    }

    /// X_v of video rows [B T, video width].
    pub fn project_video(&self, video: &Sequence) -> Projected {
        project(&self.frame_dim_reshape_2, video)
    }

    /// One flow through the network. With `missing`, the imagination blocks replace the text vectors, unless the
    /// network is configured without them.
    pub fn flow(
        &self,
        [Projected(audio), Projected(text), Projected(video)]: [&Projected; 3],
        missing: bool,
        noise: &mut Noise,
    ) -> Flow {
        let imagine = missing && self.config.mia == Mia::On;
        let residual = self.config.mia_residual;
        let batch = audio.clips;

        let h_a = mlp2(&self.audio_mlp, self.fra2utt_0.forward(audio, noise), noise);
        let mut h_t = mlp2(&self.text_mlp, self.fra2utt_1.forward(text, noise), noise);
        let h_v = mlp2(&self.video_mlp, self.fra2utt_2.forward(video, noise), noise);
        if imagine {
            h_t = self.missing_text_imagination_mlp.forward([h_a.clone(), h_t, h_v.clone()], residual);
        }

        let joined = Tensor::cat(vec![h_a.clone(), h_t.clone(), h_v.clone()], 1);
        let w = self.fc_att.forward(mlp2(&self.attention_mlp, joined, noise));
        let [w_a, w_t, w_v] = [0, 1, 2].map(|m| w.clone().narrow(1, m, 1));
        let (queries, text_hidden) = self.views([&h_a, &h_t, &h_v], [&w_a, &w_t, &w_v], noise);

        let c_a = mlp2(&self.cross_audio_mlp, self.cross_att_fra2utt_0.forward(queries.clone(), audio, noise), noise);
        let mut c_t = mlp2(&self.cross_text_mlp, self.cross_att_fra2utt_1.forward(queries.clone(), text, noise), noise);
        let c_v = mlp2(&self.cross_video_mlp, self.cross_att_fra2utt_2.forward(queries, video, noise), noise);
        if imagine {
            c_t = self.missing_cross_text_query_imagination_mlp.forward([c_a.clone(), c_t, c_v.clone()], residual);
        }

        let [rows, width] = c_t.dims();
        let views = rows / batch;
        let per_view = |c: Tensor<2>| c.reshape([batch, views, width]);
        let weighted = |w: Tensor<2>, c: Tensor<3>| w.reshape([batch, 1, 1]) * c;
        let text_cross = per_view(c_t);
        let z = weighted(w_a, per_view(c_a)) + weighted(w_t, text_cross.clone()) + weighted(w_v, per_view(c_v));
        let flat = z.clone().reshape([batch, views * width]);
        let u = self.cross_fc_att.forward(mlp2(&self.cross_attention_mlp, flat, noise));
        let fused = u.clone().reshape([batch, 1, views]).matmul(z).reshape([batch, width]);
        Flow {
            valence: self.fc_out_v.forward(fused.clone()).reshape([batch]),
            contrast: head(&self.orgin_linear_change, fused.clone()),
            fused,
            text_representation: h_t,
            text_hidden,
            text_cross,
            modality_weights: w,
            view_weights: u,
        }
    }

    /// Queries of the seven views [B 7, 256], clip after clip, and that of view t [B, 256]. Views of one modality take
    /// its vector without the weight (spec section 3.4).
    fn views(
        &self,
        [h_a, h_t, h_v]: [&Tensor<2>; 3],
        [w_a, w_t, w_v]: [&Tensor<2>; 3],
        noise: &mut Noise,
    ) -> (Tensor<2>, Tensor<2>) {
        let [a, t, v] = [(w_a, h_a), (w_t, h_t), (w_v, h_v)].map(|(w, h)| w.clone() * h.clone());
        let at = a.clone() + t.clone();
        let fused = mlp1(&self.cross_fused_query_mlp, at.clone() + v.clone(), noise);
        let at = mlp1(&self.cross_at_query_mlp, at, noise);
        let tv = mlp1(&self.cross_tv_query_mlp, t + v.clone(), noise);
        let av = mlp1(&self.cross_av_query_mlp, a + v, noise);
        let audio = mlp1(&self.cross_audio_query_mlp, h_a.clone(), noise);
        let text = mlp1(&self.cross_text_query_mlp, h_t.clone(), noise);
        let video = mlp1(&self.cross_video_query_mlp, h_v.clone(), noise);
        let [batch, width] = text.dims();
        let views = vec![fused, at, tv, av, audio, text.clone(), video];
        let count = views.len();
        // Side by side is view after view of one clip.
        (Tensor::cat(views, 1).reshape([batch * count, width]), text)
    }
}

fn project(map: &Linear, x: &Sequence) -> Projected {
    Projected(x.with_rows(map.forward(x.rows.clone())))
}

/// The parameter's tensor without its autodiff association.
pub(super) fn plain<const D: usize>(param: &Param<Tensor<D>>) -> Tensor<D> {
    param.val().inner()
}
