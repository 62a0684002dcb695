//! Sizes of a WavLM network.

use serde::{Deserialize, Serialize};

use crate::{ModelError, Result};

/// Kernel widths of the seven convolutions over the waveform.
pub(super) const KERNELS: [usize; 7] = [10, 3, 3, 3, 3, 2, 2];
/// Strides of the seven convolutions over the waveform.
pub(super) const STRIDES: [usize; 7] = [5, 2, 2, 2, 2, 2, 2];
/// Samples between two frames: the product of [`STRIDES`].
pub(super) const HOP: usize = 320;
/// Samples that one frame sees: the receptive field of [`KERNELS`] and [`STRIDES`].
pub(super) const FIELD: usize = 400;
/// Rows of the gate's linear map, summed in two groups of four.
pub(super) const GATE_ROWS: usize = 8;

/// Largest value of any size; keeps every product of two sizes and the position table within memory.
const SIZE_LIMIT: usize = 1 << 16;
/// Largest number of layers or heads.
const COUNT_LIMIT: usize = 1 << 10;

/// Sizes of a WavLM network of the stable-layer-norm kind (WavLM-Large and smaller ones built like it).
///
/// Kernels and strides over the waveform are those of every published WavLM: 400 samples seen per frame, 320 between
/// frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WavlmConfig {
    /// Width D of the residual stream.
    pub hidden: usize,
    /// Number of transformer layers.
    pub layers: usize,
    /// Attention heads per layer; divides `hidden`.
    pub heads: usize,
    /// Inner width of the feed-forward blocks.
    pub intermediate: usize,
    /// Channels of each of the seven convolutions over the waveform.
    pub conv_channels: usize,
    /// Kernel width of the positional convolution, in frames.
    pub conv_pos_kernel: usize,
    /// Groups of the positional convolution; divides `hidden`.
    pub conv_pos_groups: usize,
    /// Buckets of relative position, both signs together.
    pub buckets: usize,
    /// Distance in frames from which all positions share the last bucket.
    pub max_distance: usize,
    /// Epsilon of every layer norm.
    pub layer_norm_eps: f32,
}

impl WavlmConfig {
    /// WavLM-Large: 315 million parameters.
    pub fn large() -> Self {
        Self {
            hidden: 1024,
            layers: 24,
            heads: 16,
            intermediate: 4096,
            conv_channels: 512,
            conv_pos_kernel: 128,
            conv_pos_groups: 16,
            buckets: 320,
            max_distance: 800,
            layer_norm_eps: 1e-5,
        }
    }

    /// A small network of the same build, for tests and dry bundles.
    pub fn tiny() -> Self {
        Self {
            hidden: 64,
            layers: 4,
            heads: 4,
            intermediate: 128,
            conv_channels: 32,
            conv_pos_kernel: 16,
            conv_pos_groups: 4,
            buckets: 32,
            max_distance: 80,
            layer_norm_eps: 1e-5,
        }
    }

    /// Width of one attention head.
    pub fn head_width(&self) -> usize {
        self.hidden / self.heads
    }

    /// Number of frames made from `samples` samples at 16 kHz: floor((n - 400) / 320) + 1, where clips shorter than 400
    /// samples count as 400 (they are padded with zeros).
    pub fn frames(&self, samples: usize) -> usize {
        (samples.max(FIELD) - FIELD) / HOP + 1
    }

    /// Whether the sizes fit together.
    ///
    /// # Errors
    /// [`ModelError::Config`] naming the field and the rule that it breaks.
    pub fn validate(&self) -> Result<()> {
        for (name, value, limit) in [
            ("hidden", self.hidden, SIZE_LIMIT),
            ("layers", self.layers, COUNT_LIMIT),
            ("heads", self.heads, COUNT_LIMIT),
            ("intermediate", self.intermediate, SIZE_LIMIT),
            ("conv_channels", self.conv_channels, SIZE_LIMIT),
            ("conv_pos_kernel", self.conv_pos_kernel, SIZE_LIMIT),
            ("conv_pos_groups", self.conv_pos_groups, SIZE_LIMIT),
            ("buckets", self.buckets, SIZE_LIMIT),
            ("max_distance", self.max_distance, SIZE_LIMIT),
        ] {
            ensure((1..=limit).contains(&value), || format!("{name} is {value}, expected 1 to {limit}"))?;
        }
        ensure(self.hidden.is_multiple_of(self.heads), || {
            format!("hidden {} is not a multiple of heads {}", self.hidden, self.heads)
        })?;
        ensure(self.hidden.is_multiple_of(self.conv_pos_groups), || {
            format!("hidden {} is not a multiple of conv_pos_groups {}", self.hidden, self.conv_pos_groups)
        })?;
        ensure(self.buckets.is_multiple_of(4), || {
            format!(
                "buckets is {}, expected a multiple of 4: two signs, each half exact and half logarithmic",
                self.buckets
            )
        })?;
        ensure(self.max_distance > self.buckets / 4, || {
            format!("max_distance is {}, expected more than a quarter of buckets {}", self.max_distance, self.buckets)
        })?;
        ensure(self.layer_norm_eps.is_finite() && self.layer_norm_eps > 0.0, || {
            format!("layer_norm_eps is {}, expected a small positive number", self.layer_norm_eps)
        })
    }
}

fn ensure(holds: bool, reason: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(ModelError::Config { what: "WavLM configuration".into(), reason: reason() }) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn constants_follow_from_kernels_and_strides() {
        let (mut field, mut hop) = (1, 1);
        for (kernel, stride) in KERNELS.iter().zip(STRIDES) {
            field += (kernel - 1) * hop;
            hop *= stride;
        }
        assert_eq!((field, hop), (FIELD, HOP));
    }

    #[test]
    fn frames_equal_the_length_after_each_convolution() {
        let config = WavlmConfig::tiny();
        for samples in (400..2400).chain([16_000, 80_000, 479_999]) {
            let frames = KERNELS.iter().zip(STRIDES).fold(samples, |n, (kernel, stride)| (n - kernel) / stride + 1);
            assert_eq!(config.frames(samples), frames, "{samples} samples");
        }
        assert_eq!([config.frames(0), config.frames(1), config.frames(399)], [1, 1, 1]);
    }

    #[test]
    fn sizes_that_do_not_fit_are_named() {
        WavlmConfig::large().validate().unwrap();
        WavlmConfig::tiny().validate().unwrap();
        let wrong = |change: fn(&mut WavlmConfig)| {
            let mut config = WavlmConfig::tiny();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert!(wrong(|c| c.heads = 5).contains("multiple of heads 5"));
        assert!(wrong(|c| c.heads = 0).contains("heads is 0"));
        assert!(wrong(|c| c.conv_pos_groups = 3).contains("conv_pos_groups 3"));
        assert!(wrong(|c| c.buckets = 30).contains("buckets is 30"));
        assert!(wrong(|c| c.max_distance = 8).contains("max_distance is 8"));
        assert!(wrong(|c| c.max_distance = usize::MAX).contains("max_distance"));
        assert!(wrong(|c| c.layers = usize::MAX).contains("layers"));
        assert!(wrong(|c| c.layer_norm_eps = f32::NAN).contains("layer_norm_eps"));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let mut value = serde_json::to_value(WavlmConfig::tiny()).unwrap();
        assert_eq!(serde_json::from_value::<WavlmConfig>(value.clone()).unwrap(), WavlmConfig::tiny());
        value["dropout"] = 0.1.into();
        assert!(serde_json::from_value::<WavlmConfig>(value).unwrap_err().to_string().contains("dropout"));
    }
}
