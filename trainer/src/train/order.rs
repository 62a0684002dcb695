//! Which clips make which batch.

use crate::data::ClipLengths;
use crate::hash::{key, mix, shuffle};

/// Tells the shuffle of clips from that of batches.
const CLIPS: u64 = 1;
const BATCHES: u64 = 2;

/// How an epoch is cut into batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ordering {
    /// Clips per batch; the last batch of an epoch may be smaller.
    pub batch: usize,
    /// Whether each epoch has an order of its own.
    pub shuffle: bool,
    /// Batches that are filled together, from clips sorted by length, so that clips of a batch are of similar length;
    /// 0 and 1 leave the order as it is.
    pub bucket: usize,
}

impl Ordering {
    /// The batches of `epoch`: a function of the arguments alone. Every clip is in exactly one batch.
    pub fn batches(&self, seed: u64, epoch: usize, lengths: &[ClipLengths]) -> Vec<Vec<usize>> {
        let mut clips: Vec<usize> = (0..lengths.len()).collect();
        if self.shuffle {
            shuffle(&mut clips, key(&[seed, epoch as u64, CLIPS]));
        }
        let batch = self.batch.max(1);
        if self.bucket <= 1 {
            return clips.chunks(batch).map(<[usize]>::to_vec).collect();
        }
        let rows = |clip: &usize| lengths.get(*clip).map_or(0, |l| l.iter().sum::<usize>());
        let mut batches = Vec::new();
        for pool in clips.chunks_mut(batch.saturating_mul(self.bucket)) {
            // Stable: equally long clips keep the shuffle's order.
            pool.sort_by_key(rows);
            batches.extend(pool.chunks(batch).map(<[usize]>::to_vec));
        }
        if self.shuffle {
            shuffle(&mut batches, key(&[seed, epoch as u64, BATCHES]));
        }
        batches
    }
}

/// A digest of an epoch's batches: a checkpoint holds it, so that another order cannot be continued by mistake.
pub(super) fn digest(batches: &[Vec<usize>]) -> String {
    let numbers = batches.iter().flat_map(|batch| std::iter::once(batch.len()).chain(batch.iter().copied()));
    format!("{:016x}", numbers.fold(0, |hash, n| mix(hash, n as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(n: usize) -> Vec<ClipLengths> {
        (0..n).map(|i| [1 + (i * 37) % 101, 3, 4, 1 + (i * 53) % 17]).collect()
    }

    #[test]
    fn every_clip_is_in_one_batch() {
        for (n, batch, bucket, shuffle) in [(100, 8, 4, true), (97, 96, 1, true), (5, 8, 3, false), (0, 4, 2, true)] {
            let batches = Ordering { batch, shuffle, bucket }.batches(42, 3, &lengths(n));
            assert!(batches.iter().all(|b| !b.is_empty() && b.len() <= batch));
            assert_eq!(batches.len(), n.div_ceil(batch), "at most one batch is not full");
            let mut all = batches.concat();
            all.sort_unstable();
            assert_eq!(all, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn orders_depend_on_seed_and_epoch_and_on_nothing_else() {
        let lengths = lengths(60);
        let ordering = Ordering { batch: 4, shuffle: true, bucket: 3 };
        let one = ordering.batches(42, 0, &lengths);
        assert_eq!(one, ordering.batches(42, 0, &lengths));
        assert_ne!(one, ordering.batches(42, 1, &lengths));
        assert_ne!(one, ordering.batches(43, 0, &lengths));
        assert_ne!(digest(&one), digest(&ordering.batches(42, 1, &lengths)));
        let plain = Ordering { batch: 4, shuffle: false, bucket: 0 }.batches(42, 7, &lengths);
        assert_eq!(plain.concat(), (0..60).collect::<Vec<_>>(), "the corpus's order");
    }

    #[test]
    fn buckets_save_padding() {
        let lengths = lengths(400);
        let padded = |bucket| {
            let batches = Ordering { batch: 8, shuffle: true, bucket }.batches(1, 0, &lengths);
            let longest = |b: &Vec<usize>| b.len() * b.iter().map(|&i| lengths[i][0]).max().unwrap();
            batches.iter().map(longest).sum::<usize>()
        };
        assert!(padded(10) * 4 < padded(1) * 3, "{} and {}", padded(10), padded(1));
    }
}
