//! The network's tensors by name, and recognising checkpoint files (spec checkpoint section 3).

use std::borrow::Cow;

use super::config::{GATE_ROWS, KERNELS, WavlmConfig};
use crate::tensor::{NamedTensors, TensorSpec};
use crate::{ModelError, Result};

/// The positional convolution, before its tensors' names.
pub(super) const POSITIONAL: &str = "encoder.pos_conv_embed.conv";

/// A tensor that every file of the network has under this name, whatever was put before it.
const ANCHOR: &str = "feature_projection.projection.weight";

/// How a file spells the positional convolution's weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PositionalWeight {
    /// `parametrizations.weight.original0` (norms) and `original1` (directions): what current PyTorch writes.
    Parametrised,
    /// `weight_g` and `weight_v`: what PyTorch before 2.0 wrote.
    WeightNorm,
    /// `weight`: the product, as converted files hold it.
    Product,
}

impl PositionalWeight {
    fn of(tensors: &NamedTensors) -> Self {
        if tensors.contains(&format!("{POSITIONAL}.weight")) {
            Self::Product
        } else if tensors.contains(&format!("{POSITIONAL}.weight_v")) {
            Self::WeightNorm
        } else {
            Self::Parametrised
        }
    }

    /// Names of norms (if kept apart) and directions, or of the product.
    fn names(self) -> (Option<String>, String) {
        match self {
            Self::Parametrised => (
                Some(format!("{POSITIONAL}.parametrizations.weight.original0")),
                format!("{POSITIONAL}.parametrizations.weight.original1"),
            ),
            Self::WeightNorm => (Some(format!("{POSITIONAL}.weight_g")), format!("{POSITIONAL}.weight_v")),
            Self::Product => (None, format!("{POSITIONAL}.weight")),
        }
    }
}

/// Every tensor of the network by its state-dict name, in the transformers library's current spelling.
///
/// `masked_spec_embed` serves training only and may be absent.
pub fn parameters(config: &WavlmConfig) -> Vec<TensorSpec> {
    specs(config, PositionalWeight::Parametrised)
}

fn specs(config: &WavlmConfig, positional: PositionalWeight) -> Vec<TensorSpec> {
    let WavlmConfig { hidden, heads, intermediate, conv_channels, .. } = *config;
    let mut list = Specs(vec![TensorSpec::optional("masked_spec_embed", [hidden])]);
    for (i, kernel) in KERNELS.into_iter().enumerate() {
        let inputs = if i == 0 { 1 } else { conv_channels };
        let layer = format!("feature_extractor.conv_layers.{i}");
        list.push(format!("{layer}.conv.weight"), &[conv_channels, inputs, kernel]);
        list.affine(&format!("{layer}.layer_norm"), &[conv_channels]);
    }
    list.affine("feature_projection.layer_norm", &[conv_channels]);
    list.affine("feature_projection.projection", &[hidden, conv_channels]);
    list.push(format!("{POSITIONAL}.bias"), &[hidden]);
    let (norms, directions) = positional.names();
    if let Some(norms) = norms {
        list.push(norms, &[1, 1, config.conv_pos_kernel]);
    }
    list.push(directions, &positional_shape(config));
    list.affine("encoder.layer_norm", &[hidden]);
    for i in 0..config.layers {
        let layer = format!("encoder.layers.{i}");
        list.push(format!("{layer}.attention.gru_rel_pos_const"), &[1, heads, 1, 1]);
        for map in ["k_proj", "v_proj", "q_proj", "out_proj"] {
            list.affine(&format!("{layer}.attention.{map}"), &[hidden, hidden]);
        }
        list.affine(&format!("{layer}.attention.gru_rel_pos_linear"), &[GATE_ROWS, config.head_width()]);
        if i == 0 {
            list.push(format!("{layer}.attention.rel_attn_embed.weight"), &[config.buckets, heads]);
        }
        list.affine(&format!("{layer}.layer_norm"), &[hidden]);
        list.affine(&format!("{layer}.feed_forward.intermediate_dense"), &[intermediate, hidden]);
        list.affine(&format!("{layer}.feed_forward.output_dense"), &[hidden, intermediate]);
        list.affine(&format!("{layer}.final_layer_norm"), &[hidden]);
    }
    list.0
}

struct Specs(Vec<TensorSpec>);

impl Specs {
    fn push(&mut self, name: String, shape: &[usize]) {
        self.0.push(TensorSpec::required(name, shape));
    }

    /// A weight of `shape` and a bias as long as its first axis.
    fn affine(&mut self, name: &str, shape: &[usize]) {
        self.push(format!("{name}.weight"), shape);
        self.push(format!("{name}.bias"), shape.get(..1).unwrap_or_default());
    }
}

/// Takes a checkpoint of the transformers library, whole or saved with a task's head, and holds it against `config`.
///
/// What wrappers and training scripts put before names is removed, `wavlm.` of a file saved with a head too, and what is no part
/// of the encoder dropped. All three spellings of the positional convolution's weight are taken.
///
/// # Errors
/// [`ModelError::Config`] for the original release's file, whose tensors have other names; else
/// [`ModelError::MissingTensor`], [`ModelError::ExtraTensor`] or [`ModelError::TensorShape`].
pub fn recognise(config: &WavlmConfig, tensors: NamedTensors) -> Result<NamedTensors> {
    config.validate()?;
    let tensors = encoder(tensors)?;
    tensors.check("WavLM", &specs(config, PositionalWeight::of(&tensors)))?;
    Ok(tensors)
}

/// The encoder's tensors of a file, without prefixes and without the head of a file that was saved with one.
///
/// # Errors
/// [`ModelError::Config`] for the original release's file, and as [`NamedTensors::unwrapped`].
pub(super) fn encoder(tensors: NamedTensors) -> Result<NamedTensors> {
    let tensors = tensors.unwrapped_alone(&[ANCHOR])?;
    if let Some(name) = tensors.names().find(|n| is_original_release(n)) {
        return Err(ModelError::Config {
            what: tensors.origin().into(),
            reason: format!(
                "tensor {name} is named as in the original WavLM release (WavLM-Large.pt), expected the transformers \
                 library's names (encoder.layers.0.attention.q_proj.weight ...); take pytorch_model.bin or \
                 model.safetensors of the same network in the transformers format"
            ),
        });
    }
    Ok(tensors)
}

/// Every tensor by the name that `tensors`, which were recognised, have it under: the positional convolution has three
/// spellings.
pub fn spelled(config: &WavlmConfig, tensors: &NamedTensors) -> Vec<TensorSpec> {
    specs(config, PositionalWeight::of(tensors))
}

/// The name and shape of the positional convolution's directions or product [hidden, hidden / groups, kernel].
pub(super) fn positional_directions(tensors: &NamedTensors) -> (String, Option<&[usize]>) {
    let (_, name) = PositionalWeight::of(tensors).names();
    let shape = tensors.shape(&name);
    (name, shape)
}

/// Whether only the original release's (fairseq-style) files have such a name.
fn is_original_release(name: &str) -> bool {
    let name = name.strip_prefix("model.").unwrap_or(name);
    name.starts_with("post_extract_proj.")
        || name.starts_with("encoder.pos_conv.")
        || [".self_attn.", ".self_attn_layer_norm.", ".fc1.", ".fc2.", ".grep_linear.", ".grep_a"]
            .iter()
            .any(|part| name.starts_with("encoder.layers.") && name.contains(part))
}

/// A weight and its bias.
pub(super) type Affine<'a> = (Cow<'a, [f32]>, Cow<'a, [f32]>);

/// Weight and bias of an affine map [out, in] or of a norm `[width]`.
pub(super) fn affine<'a>(tensors: &'a NamedTensors, name: &str, shape: &[usize]) -> Result<Affine<'a>> {
    let weight = tensors.get(&format!("{name}.weight"), shape)?;
    let bias = tensors.get(&format!("{name}.bias"), shape.get(..1).unwrap_or_default())?;
    Ok((weight, bias))
}

fn positional_shape(config: &WavlmConfig) -> [usize; 3] {
    [config.hidden, config.hidden / config.conv_pos_groups, config.conv_pos_kernel]
}

/// Frames of zeros before and after those that the positional convolution meets. An even kernel padded by half on both sides
/// makes one frame too many; the reference drops the last.
pub(super) fn positional_padding(kernel: usize) -> [usize; 2] {
    [kernel / 2, kernel / 2 - usize::from(kernel.is_multiple_of(2))]
}

/// Weight of the positional convolution [hidden, hidden / groups, kernel] with its weight norm multiplied out.
///
/// The norm is over all channels per kernel position: `W[:, :, k] = g[k] V[:, :, k] / |V[:, :, k]|`.
///
/// # Errors
/// Those of [`NamedTensors::get`]; [`ModelError::Config`] for directions that are all zero.
pub fn positional_weight<'a>(config: &WavlmConfig, tensors: &'a NamedTensors) -> Result<Cow<'a, [f32]>> {
    let (norms, directions) = PositionalWeight::of(tensors).names();
    let kernel = config.conv_pos_kernel;
    let directions = tensors.get(&directions, &positional_shape(config))?;
    let Some(norms_name) = norms else { return Ok(directions) };
    let norms = tensors.get(&norms_name, &[1, 1, kernel])?;
    let mut squares = vec![0.0_f64; kernel];
    for position in directions.chunks_exact(kernel) {
        for (sum, &v) in squares.iter_mut().zip(position) {
            *sum += f64::from(v).powi(2);
        }
    }
    if let Some(k) = squares.iter().position(|&s| s == 0.0) {
        return Err(ModelError::Config {
            what: tensors.origin().into(),
            reason: format!(
                "the positional convolution's directions at kernel position {k} are all zero, so its weight norm is \
                 undefined; the file is damaged"
            ),
        });
    }
    let scales: Vec<f64> = norms.iter().zip(&squares).map(|(&g, s)| f64::from(g) / s.sqrt()).collect();
    let mut weight = directions.into_owned();
    for position in weight.chunks_exact_mut(kernel) {
        for (v, scale) in position.iter_mut().zip(&scales) {
            *v = (f64::from(*v) * scale) as f32;
        }
    }
    Ok(Cow::Owned(weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_has_the_published_tensors() {
        let specs = parameters(&WavlmConfig::large());
        assert_eq!(specs.len(), 488);
        assert_eq!(specs.iter().map(|s| s.shape.iter().product::<usize>()).sum::<usize>(), 315_453_120);
    }

    #[test]
    fn original_release_is_told_by_its_names() {
        for name in [
            "encoder.layers.3.self_attn.k_proj.weight",
            "encoder.layers.0.self_attn.grep_linear.weight",
            "model.encoder.layers.0.fc1.bias",
            "encoder.pos_conv.0.weight_g",
            "post_extract_proj.weight",
        ] {
            assert!(is_original_release(name), "{name}");
        }
        assert!(!parameters(&WavlmConfig::tiny()).iter().any(|s| is_original_release(&s.name)));
    }
}
