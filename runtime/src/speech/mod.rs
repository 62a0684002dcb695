//! Speech segmentation: a stream of samples becomes utterances.
//!
//! The segmenter is a state machine over 16 ms frames and never looks back further than its pre-roll, so a file and the
//! same sound played into a microphone give the same utterances.

mod detector;
mod segmenter;
mod stream;

pub use detector::{DetectorKind, FRAME};
pub use segmenter::{SegmentSettings, Segmenter};
pub use stream::{SpeechStream, segment};
