//! What rounding to bytes does to a layer's weights, before anything runs.

use std::borrow::Cow;

use mien_kernel::weight::quantise_weights;
use mien_models::ModelError;
use mien_models::manet::{self, ManetConfig};
use mien_models::tensor::{NamedTensors, TensorSpec};
use mien_models::wavlm::{self, WavlmConfig};

use crate::Result;

/// A byte layer and how well bytes hold its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNoise {
    /// The layer, by the name that keeps it in `f32`.
    pub layer: String,
    /// Its weights.
    pub weights: usize,
    /// Power of the weights over power of their rounding, in dB. Each output counts as much as any other, whatever the
    /// size of its weights: it has a scale of its own, and what follows may scale it again (a normalisation that is
    /// folded into a convolution, the square root in the queries). Infinite where bytes hold the weights exactly.
    pub snr_db: f64,
}

/// The byte layers of WavLM, from the waveform on.
///
/// # Errors
/// Model, for a tensor that is not there or holds no numbers.
pub(crate) fn of_wavlm(config: &WavlmConfig, tensors: &NamedTensors) -> Result<Vec<LayerNoise>> {
    let specs = wavlm::spelled(config, tensors);
    let noise = |layer: String| {
        if layer == "encoder.pos_conv_embed" {
            let weight = wavlm::positional_weight(config, tensors)?;
            return of_weights(layer, &[weight], &[config.hidden]);
        }
        let names: Vec<String> = match layer.strip_suffix(".projections") {
            Some(attention) => ["q_proj", "k_proj", "v_proj"].map(|map| format!("{attention}.{map}.weight")).into(),
            None if layer.starts_with("feature_extractor") => vec![format!("{layer}.conv.weight")],
            None => vec![format!("{layer}.weight")],
        };
        named(layer, &names, &specs, tensors)
    };
    wavlm::byte_layers(config).into_iter().map(noise).collect()
}

/// The byte layers of MA-Net.
///
/// # Errors
/// As [`of_wavlm`].
pub(crate) fn of_manet(config: &ManetConfig, tensors: &NamedTensors) -> Result<Vec<LayerNoise>> {
    let specs = manet::parameters(config);
    let noise = |layer: String| {
        let name = format!("{layer}.weight");
        named(layer, &[name], &specs, tensors)
    };
    manet::byte_layers(config).into_iter().map(noise).collect()
}

fn named(layer: String, names: &[String], specs: &[TensorSpec], tensors: &NamedTensors) -> Result<LayerNoise> {
    let mut weights = Vec::with_capacity(names.len());
    let mut outputs = Vec::with_capacity(names.len());
    for name in names {
        let shape = specs.iter().find(|spec| spec.name == *name).map_or(&[][..], |spec| &spec.shape);
        weights.push(tensors.get(name, shape)?);
        outputs.push(shape.first().copied().unwrap_or(1));
    }
    of_weights(layer, &weights, &outputs)
}

/// `weights` with as many outputs each as `outputs` says.
fn of_weights(layer: String, weights: &[Cow<'_, [f32]>], outputs: &[usize]) -> Result<LayerNoise> {
    let (mut shares, mut rows, mut count) = (0.0, 0usize, 0);
    for (weight, outputs) in weights.iter().zip(outputs) {
        let Some((bytes, scales)) = quantise_weights(weight, *outputs) else {
            let at = weight.iter().position(|w| !w.is_finite()).unwrap_or_default();
            let value = weight.get(at).copied().unwrap_or(f32::NAN);
            return Err(ModelError::NotFinite { origin: layer, what: "weight".into(), index: at, value }.into());
        };
        let width = (weight.len() / (*outputs).max(1)).max(1);
        for ((row, bytes), scale) in weight.chunks_exact(width).zip(bytes.chunks_exact(width)).zip(scales) {
            let (mut power, mut error) = (0.0, 0.0);
            for (w, byte) in row.iter().zip(bytes) {
                let w = f64::from(*w);
                let rounded = f64::from(*byte) * f64::from(scale);
                power += w * w;
                error += (w - rounded) * (w - rounded);
            }
            // An output without weights is held exactly.
            if power > 0.0 {
                shares += error / power;
            }
            rows += 1;
        }
        count += weight.len();
    }
    let share = shares / rows.max(1) as f64;
    let snr_db = if share > 0.0 { -10.0 * share.log10() } else { f64::INFINITY };
    Ok(LayerNoise { layer, weights: count, snr_db })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn snr(weights: &[f32], outputs: usize) -> f64 {
        of_weights("test".into(), &[Cow::Borrowed(weights)], &[outputs]).unwrap().snr_db
    }

    #[test]
    fn bytes_hold_whole_numbers_exactly() {
        let whole: Vec<f32> = (-127..=127).map(|w| w as f32).collect();
        assert_eq!(snr(&whole, 1), f64::INFINITY);
        assert_eq!(snr(&[0.0; 8], 2), f64::INFINITY);
    }

    #[test]
    fn evenly_spread_weights_have_the_textbook_ratio() {
        // Uniform in [-1, 1]: power 1/3, step 1/127, rounding step^2 / 12.
        let mut draw = fastrand::Rng::with_seed(5);
        let weights: Vec<f32> = (0..100_000).map(|_| draw.f32() * 2.0 - 1.0).collect();
        let expected = 10.0 * (127.0f64 * 127.0 * 4.0).log10();
        assert!((snr(&weights, 10) - expected).abs() < 0.1, "{} and {expected}", snr(&weights, 10));
    }

    #[test]
    fn each_output_counts_alike_whatever_its_size() {
        // 254 steps of a scale that the first weight sets: 0.5 is 63.5 steps, which rounds to the even 64.
        let one = [1.0, 0.5];
        let step = 1.0 / 127.0;
        let expected = 10.0 * (1.25f64 / (0.25 * step * step)).log10();
        assert!((snr(&one, 1) - expected).abs() < 1e-3, "{} and {expected}", snr(&one, 1));
        assert!((snr(&[1.0, 0.5, 1e-3, 5e-4], 2) - expected).abs() < 1e-3);
    }

    #[test]
    fn what_is_no_number_is_told() {
        let error = of_weights("conv1".into(), &[Cow::Borrowed(&[1.0, f32::NAN])], &[1]).unwrap_err().to_string();
        assert!(error.contains("conv1") && error.contains("index 1"), "{error}");
    }
}
