//! The network as an ONNX graph.

use std::path::Path;

use serde::Serialize;

use super::attention::Sequence;
use super::config::{Inner, is_published_width};
use super::imagination::Imagination;
use super::layers::{Builder, narrowed};
use super::{FusionConfig, MODALITIES, MODEL, Mia, MiaResidual, VIEWS};
use crate::Result;
use crate::engine::{GraphContract, TensorContract, described};
use crate::onnx::{Dim, Dtype, Graph};
use crate::tensor::NamedTensors;

/// The batch axis.
const BATCH: Dim = Dim::Named("B");
/// Feature inputs, each with its time axis, and their masks.
pub(super) const STREAMS: [(&str, Dim); MODALITIES] =
    [("audio", Dim::Named("Ta")), ("text", Dim::Named("Tt")), ("video", Dim::Named("Tv"))];
const MASKS: [&str; MODALITIES] = ["audio_mask", "text_mask", "video_mask"];
/// Which clips carry simulated text.
const TEXT_MISSING: &str = "text_missing";

/// Outputs in order, with the axes after B.
fn outputs(widths: Inner) -> [(&'static str, Vec<usize>); 8] {
    let Inner { width, cross, contrast, .. } = widths;
    [
        ("valence", vec![1]),
        ("fused", vec![cross]),
        ("contrast", vec![contrast]),
        ("text_representation", vec![width]),
        ("text_hidden", vec![width]),
        ("text_cross", vec![VIEWS, cross]),
        ("modality_weights", vec![MODALITIES]),
        ("view_weights", vec![VIEWS]),
    ]
}

/// What of a configuration makes the graph; the padding is a switch of the session.
#[derive(Serialize)]
struct Network {
    audio: usize,
    text: usize,
    video: usize,
    // Not said where it is the published one, as in files from before it could be another.
    #[serde(skip_serializing_if = "is_published_width")]
    width: usize,
    mia: Mia,
    mia_residual: MiaResidual,
}

impl Network {
    fn of(config: &FusionConfig) -> Self {
        // Every field by name: a new one cannot be forgotten here.
        let FusionConfig { audio, text, video, width, mia, mia_residual, padding: _ } = *config;
        Self { audio, text, video, width, mia, mia_residual }
    }
}

/// What the fusion graph takes and gives. B clips; Ta, Tt, Tv rows per stream, padded at the end.
///
/// Inputs: `audio` [B, Ta, audio], `text` [B, Tt, text], `video` [B, Tv, video] f32; `audio_mask` [B, Ta], `text_mask`
/// [B, Tt], `video_mask` [B, Tv] bool, true where a row takes part (at least one per clip); with MIA also
/// `text_missing` `[B]` bool.
///
/// Outputs, all f32: the fields of [`super::FusionOutput`] by name, each with a leading axis B.
pub fn contract(config: &FusionConfig) -> GraphContract {
    let features = STREAMS.iter().zip(config.widths());
    let features = features.map(|(&(name, _), width)| TensorContract::f32(name, [None, None, Some(width)]));
    let masks = MASKS.iter().map(|&name| TensorContract::bool(name, [None, None]));
    let missing = (config.mia == Mia::On).then(|| TensorContract::bool(TEXT_MISSING, [None]));
    let outputs = outputs(config.inner()).into_iter().map(|(name, axes)| {
        let axes: Vec<_> = std::iter::once(None).chain(axes.into_iter().map(Some)).collect();
        TensorContract::f32(name, axes)
    });
    GraphContract {
        model: MODEL,
        inputs: features.chain(masks).chain(missing).collect(),
        outputs: outputs.collect(),
        description: vec![described(&Network::of(config))],
    }
}

/// Writes the network to `path` (`*.onnx`, weights beside it); see [`contract`] for what it takes and gives.
///
/// `tensors` come from [`super::recognise`] or have the names of [`super::parameters()`]. One tensor at a time is in memory.
///
/// # Errors
/// [`crate::ModelError::Config`] for widths that cannot be, [`crate::ModelError::Io`], and the errors of
/// [`NamedTensors::get`].
pub fn build(config: &FusionConfig, tensors: &NamedTensors, path: &Path) -> Result<()> {
    config.validate()?;
    let mut graph = Graph::create(path, MODEL)?;
    graph.describe(contract(config).description);
    let mut builder = Builder::new(graph, config.inner(), tensors);
    builder.network(config)?;
    builder.graph.finish()
}

impl Builder<'_> {
    /// Spec section 3 from projection to heads.
    fn network(&mut self, config: &FusionConfig) -> Result<()> {
        let [audio, text, video] = self.sequences(config)?;
        let Inner { width, cross, contrast: contrasted, latent, cross_latent } = self.inner;
        let missing = match config.mia {
            Mia::On => Some(self.graph.input(TEXT_MISSING, Dtype::Bool, &[BATCH])),
            Mia::Off => None,
        };

        // Sections 3.2 and 3.3.
        let h_audio = self.pool(0, "audio_mlp", &audio)?;
        let h_text = self.pool(1, "text_mlp", &text)?;
        let h_video = self.pool(2, "video_mlp", &video)?;
        let h_text = match &missing {
            None => h_text,
            Some(missing) => {
                let key = "missing_text_imagination_mlp";
                let block = Imagination { key, width, latent, residual: config.mia_residual };
                let missing = self.graph.reshape(missing, &[-1, 1]);
                block.apply(self, [&h_audio, &h_text, &h_video], &missing)?
            }
        };

        // Section 3.4.
        let h = [&h_audio, &h_text, &h_video];
        let weights = self.modality_weights(h)?;
        let views = self.views(h, &weights)?;

        // Sections 3.5 and 3.6.
        let c_audio = self.cross(0, "cross_audio_mlp", &views.queries, &audio)?;
        let c_text = self.cross(1, "cross_text_mlp", &views.queries, &text)?;
        let c_video = self.cross(2, "cross_video_mlp", &views.queries, &video)?;
        let c_text = match &missing {
            None => c_text,
            Some(missing) => {
                let key = "missing_cross_text_query_imagination_mlp";
                let block = Imagination { key, width: cross, latent: cross_latent, residual: config.mia_residual };
                let missing = self.graph.reshape(missing, &[-1, 1, 1]);
                block.apply(self, [&c_audio, &c_text, &c_video], &missing)?
            }
        };

        // Section 3.7; the modality weights are those of section 3.4.
        let z = self.weighted_views(&weights, [&c_audio, &c_text, &c_video]);
        let flat = self.graph.reshape(&z, &[0, (VIEWS * cross) as i64]);
        let gate = self.mlp("cross_attention_mlp", &flat, VIEWS * cross, &[width, cross])?;
        let view_weights = self.linear("cross_fc_att", &gate, cross, VIEWS)?;
        let row = self.graph.unsqueeze(&view_weights, 1);
        let fused = self.graph.matmul(&row, &z);
        let fused = self.graph.reshape(&fused, &[0, cross as i64]);
        let valence = self.linear("fc_out_v", &fused, cross, 1)?;
        let contrast = self.linear("orgin_linear_change.0", &fused, cross, contrasted)?;
        let contrast = self.graph.relu(&contrast);
        let contrast = self.linear("orgin_linear_change.2", &contrast, contrasted, contrasted)?;

        let values = [&valence, &fused, &contrast, &h_text, &views.text, &c_text, &weights.all, &view_weights];
        for ((name, axes), value) in outputs(self.inner).into_iter().zip(values) {
            let dims: Vec<Dim> = std::iter::once(BATCH).chain(axes.into_iter().map(Dim::Fixed)).collect();
            let value = narrowed(&mut self.graph, value);
            self.graph.output(name, &value, Dtype::F32, &dims);
        }
        Ok(())
    }

    /// Declares features and masks; projects the features (spec section 3.1).
    fn sequences(&mut self, config: &FusionConfig) -> Result<[Sequence; MODALITIES]> {
        let (widths, width) = (config.widths(), self.inner.width);
        let features = [0, 1, 2].map(|m| {
            let (name, time) = STREAMS[m];
            self.graph.input(name, Dtype::F32, &[BATCH, time, Dim::Fixed(widths[m])])
        });
        let masks = [0, 1, 2].map(|m| {
            let mask = self.graph.input(MASKS[m], Dtype::Bool, &[BATCH, STREAMS[m].1]);
            self.graph.unsqueeze(&mask, 1)
        });
        let [a, t, v] = features;
        let [mask_a, mask_t, mask_v] = masks;
        Ok([
            Sequence { rows: self.sequence_linear("frame_dim_reshape_0", &a, widths[0], width)?, mask: mask_a },
            Sequence { rows: self.sequence_linear("frame_dim_reshape_1", &t, widths[1], width)?, mask: mask_t },
            Sequence { rows: self.sequence_linear("frame_dim_reshape_2", &v, widths[2], width)?, mask: mask_v },
        ])
    }
}
