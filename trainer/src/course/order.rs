//! Which clips a step takes.

use crate::train::Ordering;

/// Batches that are filled together from clips sorted by length: padding costs time.
const BUCKET: usize = 16;

/// The order of clips, epoch after epoch: a function of seed and step.
pub(crate) struct Order {
    seed: u64,
    ordering: Ordering,
    lengths: Vec<[usize; 4]>,
    /// The epoch that was asked for last, and its batches.
    epoch: Option<(u64, Vec<Vec<usize>>)>,
}

impl Order {
    /// An order of clips of these lengths, in any one unit: batches are made of clips that are about as long.
    pub(crate) fn new(seed: u64, batch: usize, lengths: impl Iterator<Item = usize>) -> Self {
        let lengths = lengths.map(|length| [length, 0, 0, 0]).collect();
        Self { seed, ordering: Ordering { batch, shuffle: true, bucket: BUCKET }, lengths, epoch: None }
    }

    /// Numbers of the clips of `step`.
    pub(crate) fn batch(&mut self, step: u64) -> &[usize] {
        let batches = self.lengths.len().div_ceil(self.ordering.batch.max(1)).max(1) as u64;
        let epoch = step / batches;
        if self.epoch.as_ref().is_none_or(|(at, _)| *at != epoch) {
            self.epoch = Some((epoch, self.ordering.batches(self.seed, epoch as usize, &self.lengths)));
        }
        let batches = self.epoch.as_ref().and_then(|(_, all)| all.get((step % batches) as usize));
        batches.map_or(&[], Vec::as_slice)
    }
}
