//! What is fixed about CMU-MOSEI: its video folds (from a file) and the authors' list of long clips.

mod folds;
mod long_clips;

pub use folds::Folds;
pub use long_clips::LONG_CLIPS;
