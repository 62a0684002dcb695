//! Sizes and pace of WavLM.

use mien_models::wavlm::WavlmConfig;

use crate::course::Pace;

/// The block whose output gives the fusion's audio rows: two thirds of the way up, as the published one (20 of 24).
pub const AUDIO_LAYER: usize = 4;

/// Sizes of WavLM, and how it learns.
#[derive(Clone, Debug, PartialEq)]
pub struct HearingSettings {
    /// The network's sizes.
    pub sizes: WavlmConfig,
    /// Clips of the validation split that are measured.
    pub measured: usize,
    /// Steps over which the flat start's guess gives way to CTC.
    pub flat_start: u64,
    /// Length and speed.
    pub pace: Pace,
}

impl Default for HearingSettings {
    /// A million numbers, about 1.1 MB in bytes. Steps of eight clips of three seconds take about 0.6 s on two cores
    /// (`bench_networks wavlm 128 6 64 8 3`), nearly half of it in the convolutions over the waveform, which more
    /// channels would make longer before anything else.
    fn default() -> Self {
        Self {
            sizes: WavlmConfig {
                hidden: 128,
                layers: 6,
                heads: 4,
                intermediate: 256,
                conv_channels: 64,
                conv_pos_kernel: 32,
                conv_pos_groups: 4,
                buckets: 64,
                max_distance: 160,
                layer_norm_eps: 1e-5,
            },
            measured: 160,
            flat_start: 1200,
            pace: Pace {
                seed: 1,
                steps: 5000,
                batch: 8,
                rate: 1e-3,
                warmup: 400,
                measure_every: 250,
                checkpoint_every: 25,
            },
        }
    }
}
