//! Sizes and pace of the projector.

use mien_models::wavlm::WavlmConfig;

use super::super::hearing::HearingSettings;
use super::super::language::LanguageSettings;
use crate::course::Pace;

/// Sizes of the projector and of the networks that it stands between, and how it learns.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectionSettings {
    /// Sizes that WavLM was trained with.
    pub hearing: WavlmConfig,
    /// Sizes that the llama was trained with.
    pub language: LanguageSettings,
    /// Frames that become one row.
    pub k: usize,
    /// Width between the two maps.
    pub hidden: usize,
    /// Variations of each clip that are learned from beside it.
    pub varied: u64,
    /// Clips of the validation split that are measured.
    pub measured: usize,
    /// Length and speed.
    pub pace: Pace,
}

impl Default for ProjectionSettings {
    /// Five frames for each row, as published. Four times the llama's width between the maps: every word wants a place of its
    /// own there.
    fn default() -> Self {
        Self {
            hearing: HearingSettings::default().sizes,
            language: LanguageSettings::default(),
            k: 5,
            hidden: 512,
            varied: 3,
            measured: 100,
            pace: Pace {
                seed: 1,
                steps: 10000,
                batch: 16,
                rate: 1e-3,
                warmup: 200,
                measure_every: 1000,
                checkpoint_every: 25,
            },
        }
    }
}
