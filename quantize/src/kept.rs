//! Which layers stay in `f32`.

use mien_models::manet::{self, ManetConfig};
use mien_models::wavlm::{self, WavlmConfig};

use crate::{QuantizeError, Result};

/// Layers that compute in `f32` in networks of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptFloat {
    /// WavLM's.
    pub wavlm: wavlm::FloatLayers,
    /// MA-Net's.
    pub manet: manet::FloatLayers,
}

impl KeptFloat {
    /// The layers that `names` name, each a layer or a part of the network that holds some: `encoder.layers.3` is every
    /// byte layer of that block. No name is in both networks.
    ///
    /// # Errors
    /// [`QuantizeError::UnknownLayer`].
    pub fn of(wavlm: &WavlmConfig, manet: &ManetConfig, names: &[String]) -> Result<Self> {
        let (voice, face) = (wavlm::byte_layers(wavlm), manet::byte_layers(manet));
        let mut kept = Self::default();
        for name in names {
            let inside = |layers: &[String]| layers.iter().filter(|l| holds(name, l)).cloned().collect::<Vec<_>>();
            let (of_voice, of_face) = (inside(&voice), inside(&face));
            if of_voice.is_empty() && of_face.is_empty() {
                let example = |layers: &[String]| layers.get(layers.len() / 2).cloned().unwrap_or_default();
                let examples = format!("encoder.layers.0 or {} (WavLM), {} (MA-Net)", example(&voice), example(&face));
                return Err(QuantizeError::UnknownLayer { name: name.clone(), examples });
            }
            kept.wavlm.extend(of_voice);
            kept.manet.extend(of_face);
        }
        Ok(kept)
    }
}

/// Whether `layer` is `name` or lies in it.
fn holds(name: &str, layer: &str) -> bool {
    match layer.strip_prefix(name) {
        Some(rest) => !name.is_empty() && (rest.is_empty() || rest.starts_with('.')),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn kept(names: &[&str]) -> Result<KeptFloat> {
        let names: Vec<String> = names.iter().map(|n| (*n).into()).collect();
        KeptFloat::of(&WavlmConfig::large(), &ManetConfig::PUBLISHED, &names)
    }

    #[test]
    fn names_are_layers_or_what_holds_them() {
        let found = kept(&["encoder.layers.2", "feature_projection.projection", "conv1"]).unwrap();
        assert_eq!(found.wavlm.len(), 5, "{found:?}");
        assert!(found.wavlm.contains("encoder.layers.2.attention.out_proj"));
        assert!(!found.wavlm.contains("encoder.layers.20.attention.out_proj"), "2 is not 20");
        assert_eq!(found.manet.iter().map(String::as_str).collect::<Vec<_>>(), ["conv1"]);
        assert_eq!(kept(&["encoder"]).unwrap().wavlm.len(), 24 * 4 + 1);
        assert_eq!(kept(&["conv1", "conv1"]).unwrap(), kept(&["conv1"]).unwrap());
        assert_eq!(kept(&[]).unwrap(), KeptFloat::default());
    }

    #[test]
    fn unknown_names_are_told_how_names_look() {
        for name in ["", "encoder.layers.24", "encoder.lay", "feature_extractor.conv_layers.0"] {
            let told = kept(&[name]).unwrap_err().to_string();
            assert!(told.contains(&format!("{name:?}")) && told.contains("encoder.layers.0"), "{told}");
        }
    }
}
