//! The transformers library's `config.json`, and reading a checkpoint with the sizes that its tensors have.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use mien_capture::regular;

use serde_json::{Map, Value, json};

use super::config::{KERNELS, STRIDES, WavlmConfig};
use super::parameters::{encoder, positional_directions, recognise};
use crate::tensor::NamedTensors;
use crate::{ModelError, Result};

/// Largest file that is read; published ones have 2 kB.
const MOST_BYTES: u64 = 1 << 20;

/// A WavLM's `config.json` as the transformers library writes it.
#[derive(Clone, Debug, PartialEq)]
pub struct LibraryConfig {
    path: PathBuf,
    keys: Map<String, Value>,
}

impl LibraryConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// Io; Format for anything but a JSON object of a bounded size.
    pub fn open(path: &Path) -> Result<Self> {
        let refuse = |reason: String| ModelError::Format {
            path: path.into(),
            format: "config.json",
            reason,
            fix: "fetch it again from where the weights come from, or remove it",
        };
        let bytes = regular::read(path, MOST_BYTES).map_err(|e| match e.kind() {
            ErrorKind::InvalidInput | ErrorKind::FileTooLarge => refuse(e.to_string()),
            _ => ModelError::io(path, "read", e),
        })?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(keys)) => Ok(Self { path: path.into(), keys }),
            Ok(_) => Err(refuse("it is no JSON object".into())),
            Err(e) => Err(refuse(format!("it is no JSON: {e}"))),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Holds the file against `config` and against what every network of this build has: how many keys agree. A key that
    /// is not there has the library's default.
    ///
    /// # Errors
    /// [`ModelError::Config`] naming key, expected and found.
    pub fn check(&self, config: &WavlmConfig) -> Result<usize> {
        self.check_model()?;
        let layers = KERNELS.len();
        let expected = [
            // Each key, what it must be, and the library's default.
            ("feat_extract_norm", json!("layer"), json!("group")),
            ("do_stable_layer_norm", json!(true), json!(false)),
            ("conv_bias", json!(false), json!(false)),
            ("hidden_act", json!("gelu"), json!("gelu")),
            ("feat_extract_activation", json!("gelu"), json!("gelu")),
            ("hidden_size", json!(config.hidden), json!(768)),
            ("num_hidden_layers", json!(config.layers), json!(12)),
            ("num_attention_heads", json!(config.heads), json!(12)),
            ("intermediate_size", json!(config.intermediate), json!(3072)),
            ("num_conv_pos_embeddings", json!(config.conv_pos_kernel), json!(128)),
            ("num_conv_pos_embedding_groups", json!(config.conv_pos_groups), json!(16)),
            ("num_buckets", json!(config.buckets), json!(320)),
            ("conv_dim", json!(vec![config.conv_channels; layers]), json!(vec![512; layers])),
            ("conv_kernel", json!(KERNELS), json!(KERNELS)),
            ("conv_stride", json!(STRIDES), json!(STRIDES)),
        ];
        for (key, expected, default) in &expected {
            let found = self.keys.get(*key).unwrap_or(default);
            if found != expected {
                return Err(self.refuse(
                    key,
                    expected,
                    found,
                    "it belongs to other weights, or these are not WavLM-Large's",
                ));
            }
        }
        // Two more than the table, which the tensors do not show: `complete` takes them from here.
        Ok(expected.len() + 2)
    }

    fn check_model(&self) -> Result<()> {
        match self.keys.get("model_type") {
            Some(kind) if kind == "wavlm" => Ok(()),
            found => {
                let found = found.unwrap_or(&Value::Null);
                Err(self.refuse("model_type", &json!("wavlm"), found, "it belongs to another model"))
            }
        }
    }

    fn max_distance(&self) -> Result<usize> {
        match self.keys.get("max_bucket_distance") {
            None => Ok(WavlmConfig::large().max_distance),
            Some(found) => found.as_u64().and_then(|n| usize::try_from(n).ok()).ok_or_else(|| {
                self.refuse("max_bucket_distance", &json!(WavlmConfig::large().max_distance), found, "it is damaged")
            }),
        }
    }

    fn layer_norm_eps(&self) -> Result<f32> {
        match self.keys.get("layer_norm_eps") {
            None => Ok(WavlmConfig::large().layer_norm_eps),
            Some(found) => found
                .as_f64()
                .map(|eps| eps as f32)
                .ok_or_else(|| self.refuse("layer_norm_eps", &json!(1e-5), found, "it is damaged")),
        }
    }

    fn refuse(&self, key: &str, expected: &Value, found: &Value, why: &str) -> ModelError {
        let found: String = found.to_string().chars().take(80).collect();
        ModelError::Config {
            what: self.path.display().to_string(),
            reason: format!(
                "{key} is {}, expected {expected}: {why}; put the file that came with the weights beside them, or none",
                found.escape_debug()
            ),
        }
    }
}

/// Takes a checkpoint of the transformers library with the sizes that its tensors have, and holds it against `library`.
///
/// Two sizes are in no tensor: the longest distance of the position table, and the epsilon of the norms. They come from
/// `library`; without it they are the published ones, for a position table of the published 320 buckets alone.
///
/// # Errors
/// [`ModelError::Config`] for the original release's file, for a WavLM of the base kind, for `library` of another network,
/// and where it is needed and missing; else as [`recognise`].
pub fn read(tensors: NamedTensors, library: Option<&LibraryConfig>) -> Result<(WavlmConfig, NamedTensors)> {
    if let Some(library) = library {
        library.check_model()?;
    }
    let tensors = encoder(tensors)?;
    let mut config = sizes(&tensors)?;
    match library {
        Some(library) => {
            config.max_distance = library.max_distance()?;
            config.layer_norm_eps = library.layer_norm_eps()?;
        }
        None if config.buckets != WavlmConfig::large().buckets => {
            return Err(ModelError::Config {
                what: tensors.origin().into(),
                reason: format!(
                    "its position table has {} buckets, WavLM-Large's has {}, so its max_bucket_distance is not known; \
                     put the config.json that belongs to the weights beside them",
                    config.buckets,
                    WavlmConfig::large().buckets
                ),
            });
        }
        None => {}
    }
    let tensors = recognise(&config, tensors)?;
    if let Some(library) = library {
        library.check(&config)?;
    }
    Ok((config, tensors))
}

/// The sizes that the tensors show; the others are the published ones.
fn sizes(tensors: &NamedTensors) -> Result<WavlmConfig> {
    let large = WavlmConfig::large();
    let (positional, positional_shape) = positional_directions(tensors);
    let axis = |name: &str, axis: usize, published: &[usize]| {
        tensors.shape(name).and_then(|shape| shape.get(axis).copied()).ok_or_else(|| ModelError::MissingTensor {
            origin: tensors.origin().into(),
            key: name.into(),
            expected: published.to_vec(),
        })
    };
    let norm = |i: usize| tensors.contains(&format!("feature_extractor.conv_layers.{i}.layer_norm.weight"));
    if norm(0) && !norm(1) {
        return Err(ModelError::Config {
            what: tensors.origin().into(),
            reason:
                "only its first convolution is normalised, as in WavLM-Base and Base+, expected a layer norm after \
                     each convolution; take WavLM-Large"
                    .into(),
        });
    }
    let hidden = axis("encoder.layer_norm.weight", 0, &[large.hidden])?;
    let layers = (0..).take_while(|i| tensors.contains(&format!("encoder.layers.{i}.layer_norm.weight"))).count();
    let per_group = positional_shape.and_then(|shape| shape.get(1).copied()).filter(|&n| n > 0);
    Ok(WavlmConfig {
        hidden,
        layers,
        heads: axis("encoder.layers.0.attention.gru_rel_pos_const", 1, &[1, large.heads, 1, 1])?,
        intermediate: axis(
            "encoder.layers.0.feed_forward.intermediate_dense.weight",
            0,
            &[large.intermediate, large.hidden],
        )?,
        conv_channels: axis("feature_extractor.conv_layers.0.conv.weight", 0, &[large.conv_channels, 1, KERNELS[0]])?,
        conv_pos_kernel: axis(&positional, 2, &[large.hidden, 64, large.conv_pos_kernel])?,
        conv_pos_groups: per_group.map_or(large.conv_pos_groups, |n| hidden / n),
        buckets: axis("encoder.layers.0.attention.rel_attn_embed.weight", 0, &[large.buckets, large.heads])?,
        ..large
    })
}
