//! The network's parameters under the authors' names (spec/checkpoint section 1).

use super::config::Inner;
use super::{FusionConfig, MODALITIES, MODEL, Mia, VIEWS};
use crate::Result;
use crate::tensor::{NamedTensors, TensorSpec};

/// A tensor that every file of the network has under this name, whatever was put before it.
pub(super) const ANCHOR: &str = "frame_dim_reshape_0.weight";

/// A batch normalisation over views that the authors' second class declares and never calls.
const UNCALLED: &str = "normali";

/// Whether the tensor `name`, prefixed or not, is of the normalisation that the authors' second class never calls.
pub(crate) fn is_uncalled(name: &str) -> bool {
    name.split('.').any(|part| part == UNCALLED)
}

/// All 106 tensors in the order of the checkpoint table; the position in this list is the tensor's number there.
///
/// Of them 99 are required, 83 without MIA: the seven that nothing reads are optional, and so are the blocks' sixteen
/// when they do not run.
pub fn parameters(config: &FusionConfig) -> Vec<TensorSpec> {
    let Inner { width, cross, contrast, latent, cross_latent } = config.inner();
    let mut table = Table::default();
    for (m, features) in config.widths().into_iter().enumerate() {
        table.linear(&format!("frame_dim_reshape_{m}"), width, features);
    }
    let mia = config.mia == Mia::On;
    table.imagination("missing_text_imagination_mlp", width, latent, mia);
    table.imagination("missing_cross_text_query_imagination_mlp", cross, cross_latent, mia);
    for m in 0..MODALITIES {
        table.push(format!("fra2utt_{m}.attention_context_vector"), &[1, width], true);
        table.linear(&format!("fra2utt_{m}.input_proj"), width, width);
    }
    for name in ["audio_mlp", "text_mlp", "video_mlp"] {
        table.mlp(name, width, &[width, width]);
    }
    table.mlp("attention_mlp", MODALITIES * width, &[width, width]);
    table.linear("fc_att", MODALITIES, width);
    for view in ["fused", "at", "tv", "av", "audio", "text", "video"] {
        table.mlp(&format!("cross_{view}_query_mlp"), width, &[width]);
    }
    for m in 0..MODALITIES {
        table.linear(&format!("cross_att_fra2utt_{m}.query_proj"), width, width);
        table.linear(&format!("cross_att_fra2utt_{m}.input_proj"), width, width);
    }
    for name in ["cross_audio_mlp", "cross_text_mlp", "cross_video_mlp"] {
        table.mlp(name, width, &[width, cross]);
    }
    table.mlp("cross_attention_mlp", VIEWS * cross, &[width, cross]);
    table.linear("cross_fc_att", VIEWS, cross);
    table.dead("fc_out_e.weight", &[1, cross]);
    table.dead("fc_out_e.bias", &[1]);
    table.linear("fc_out_v", 1, cross);
    table.dead("fc_out_ev.weight", &[1, 1]);
    table.dead("fc_out_ev.bias", &[1]);
    table.linear("orgin_linear_change.0", contrast, cross);
    table.linear("orgin_linear_change.2", contrast, contrast);
    table.dead("prelu.weight", &[6]);
    table.dead("layer_normali.weight", &[width]);
    table.dead("layer_normali.bias", &[width]);
    table.0
}

/// Takes a checkpoint of the authors' or of our own training and holds it against `config`.
///
/// Wrappers' prefixes (`model.`, `module.`, `module.model.`, `_orig_mod.`) are removed and modules that are never called are dropped.
///
/// # Errors
/// [`crate::ModelError::Config`] for widths that cannot be; MissingTensor, ExtraTensor, TensorShape and TensorDtype for
/// the checkpoint of another network.
pub fn recognise(config: &FusionConfig, tensors: NamedTensors) -> Result<NamedTensors> {
    config.validate()?;
    let mut tensors = tensors.unwrapped(&[ANCHOR])?;
    tensors.retain(|name| !is_uncalled(name));
    tensors.check(MODEL, &parameters(config))?;
    Ok(tensors)
}

#[derive(Default)]
struct Table(Vec<TensorSpec>);

impl Table {
    fn push(&mut self, name: String, shape: &[usize], required: bool) {
        self.0.push(TensorSpec { name, shape: shape.to_vec(), required });
    }

    /// Declared by the authors, read by nothing.
    fn dead(&mut self, name: &str, shape: &[usize]) {
        self.push(name.into(), shape, false);
    }

    fn affine(&mut self, key: &str, outputs: usize, inputs: usize, required: bool) {
        self.push(format!("{key}.weight"), &[outputs, inputs], required);
        self.push(format!("{key}.bias"), &[outputs], required);
    }

    fn linear(&mut self, key: &str, outputs: usize, inputs: usize) {
        self.affine(key, outputs, inputs, true);
    }

    /// Layers 0, 3, ..; between them lie ReLU and dropout.
    fn mlp(&mut self, key: &str, inputs: usize, outputs: &[usize]) {
        let mut width = inputs;
        for (i, &next) in outputs.iter().enumerate() {
            self.linear(&format!("{key}.{}", 3 * i), next, width);
            width = next;
        }
    }

    fn imagination(&mut self, key: &str, width: usize, latent: usize, required: bool) {
        self.affine(&format!("{key}.transition.0"), width, MODALITIES * width, required);
        self.affine(&format!("{key}.transition.2"), width, width, required);
        self.affine(&format!("{key}.encoder_0.0"), latent, width, required);
        self.affine(&format!("{key}.decoder_0.0"), width, latent, required);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(mia: Mia) -> (usize, usize, usize) {
        let specs = parameters(&FusionConfig { mia, ..FusionConfig::PUBLISHED });
        let elements = specs.iter().map(|s| s.shape.iter().product::<usize>()).sum();
        (specs.len(), specs.iter().filter(|s| s.required).count(), elements)
    }

    #[test]
    fn counts_are_those_of_the_authors_class() {
        assert_eq!(count(Mia::On), (106, 99, 4_268_884));
        assert_eq!(count(Mia::Off), (106, 83, 4_268_884));
    }

    #[test]
    fn positions_are_those_of_the_checkpoint_table() {
        let specs = parameters(&FusionConfig::PUBLISHED);
        for (position, name, shape) in [
            (2, "frame_dim_reshape_1.weight", vec![256, 4096]),
            (14, "missing_cross_text_query_imagination_mlp.transition.0.weight", vec![128, 384]),
            (22, "fra2utt_0.attention_context_vector", vec![1, 256]),
            (45, "attention_mlp.3.weight", vec![256, 256]),
            (60, "cross_text_query_mlp.0.bias", vec![256]),
            (81, "cross_text_mlp.3.weight", vec![128, 256]),
            (87, "cross_attention_mlp.0.weight", vec![256, 896]),
            (95, "fc_out_v.weight", vec![1, 128]),
            (105, "layer_normali.bias", vec![256]),
        ] {
            assert_eq!((specs[position].name.as_str(), &specs[position].shape), (name, &shape), "position {position}");
        }
    }
}
