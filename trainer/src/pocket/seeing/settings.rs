//! Sizes and pace of MA-Net.

use crate::course::Pace;

/// Sizes of MA-Net, and how it learns.
#[derive(Clone, Debug, PartialEq)]
pub struct SeeingSettings {
    /// Channels of the stem.
    pub width: usize,
    /// Pictures of a clip that are looked at, evenly spread over it.
    pub pictures: usize,
    /// Clips of the validation split that are measured.
    pub measured: usize,
    /// Length and speed.
    pub pace: Pace,
}

impl Default for SeeingSettings {
    /// An eighth of the published width: 0.8 million numbers. A face costs about 35 ms on two cores
    /// (`bench_networks manet 8 32`); the three pictures of a clip that are kept take 0.45 MB of memory.
    fn default() -> Self {
        Self {
            width: 8,
            pictures: 3,
            measured: 100,
            pace: Pace {
                seed: 1,
                steps: 2500,
                batch: 16,
                rate: 1e-3,
                warmup: 200,
                measure_every: 250,
                checkpoint_every: 25,
            },
        }
    }
}
