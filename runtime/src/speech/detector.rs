//! How much a frame sounds like speech.

use earshot::Detector;

/// Samples per frame at 16 kHz: 16 ms, the detector network's own step.
pub const FRAME: usize = 256;

/// Which detector listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DetectorKind {
    /// The earshot network: tells speech from noise.
    #[default]
    Network,
    /// Frame energy against a floor of -45 dBFS: for quiet rooms and for tests of everything else.
    Energy,
}

/// A detector with its state.
pub(super) enum SpeechDetector {
    Network(Box<Detector>),
    Energy,
}

/// Mean square of a frame that counts as even odds: -45 dBFS.
const ENERGY_MIDPOINT: f32 = 3.16e-5;

impl SpeechDetector {
    pub(super) fn new(kind: DetectorKind) -> Self {
        match kind {
            DetectorKind::Network => Self::Network(Detector::default_boxed()),
            DetectorKind::Energy => Self::Energy,
        }
    }

    /// Score in [0, 1] of one frame of [`FRAME`] samples in [-1, 1]; a short last frame must be zero-padded.
    pub(super) fn score(&mut self, frame: &[f32; FRAME]) -> f32 {
        match self {
            Self::Network(detector) => detector.predict_f32(frame),
            Self::Energy => {
                let power = frame.iter().map(|s| s * s).sum::<f32>() / FRAME as f32;
                power / (power + ENERGY_MIDPOINT)
            }
        }
    }
}
