//! Where batches come from.

use super::batch::Batch;
use crate::Result;

/// The three parts of a corpus (spec section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Clips that weights are fitted to.
    Train,
    /// Clips that the epoch is chosen by.
    Valid,
    /// Clips that a finished run is reported on.
    Test,
}

/// Rows of one clip in the streams audio, text, simulated text, video; at least 1 each.
pub type ClipLengths = [usize; 4];

/// A corpus that gives batches by clip number.
///
/// Clips of a split are numbered from 0 in an order that never changes: training shuffles numbers, and a resumed run
/// must find the same clips behind them. `Sync`, so that a thread can prepare the next batch.
pub trait Source: Sync {
    /// Name of the corpus in messages: usually its path.
    fn name(&self) -> &str;

    /// A digest of everything in the corpus that a result depends on, hexadecimal. A resumed run refuses another one.
    fn digest(&self) -> &str;

    /// Numbers in a row of audio, text (real and simulated), video.
    fn widths(&self) -> [usize; 3];

    /// Rows of every clip of `split`, in the order of clip numbers; its length is the number of clips.
    fn lengths(&self, split: Split) -> &[ClipLengths];

    /// The clips `clips` of `split`, in the order asked for, each stream padded with zero rows to its longest clip.
    ///
    /// # Errors
    /// Files that cannot be read or hold numbers that are not finite; a clip number past the end.
    fn batch(&self, split: Split, clips: &[usize]) -> Result<Batch>;

    /// Number of clips of `split`.
    fn len(&self, split: Split) -> usize {
        self.lengths(split).len()
    }

    /// Whether `split` holds no clip.
    fn is_empty(&self, split: Split) -> bool {
        self.len(split) == 0
    }
}
