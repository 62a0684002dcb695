//! What was lost on the way, by stage: nothing is lost in silence.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Losses([AtomicU64; Loss::ALL.len()]);

/// What can be lost, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Samples that found the ring from the audio callback full.
    Samples,
    /// Times that the driver lost sound (xruns).
    Overruns,
    /// Pictures that were not looked at in time.
    Pictures,
    /// Pictures that could not be decoded.
    DamagedPictures,
    /// Faces that were forgotten before they became rows.
    Faces,
    /// Utterances that found the queue to the scorer full.
    Utterances,
    /// Utterances thrown away because of muting.
    Muted,
    /// Records that found nobody to take them.
    Records,
    /// Lines that the reader of the output did not take in time.
    Lines,
}

impl Loss {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Samples, "samples"),
        (Self::Overruns, "overruns"),
        (Self::Pictures, "pictures"),
        (Self::DamagedPictures, "damaged_pictures"),
        (Self::Faces, "faces"),
        (Self::Utterances, "utterances"),
        (Self::Muted, "muted_utterances"),
        (Self::Records, "records"),
        (Self::Lines, "lines"),
    ];
}

impl Losses {
    pub(crate) fn add(&self, loss: Loss, count: u64) {
        if let Some(counter) = self.0.get(loss as usize) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Sets a count that is kept elsewhere.
    pub(crate) fn set(&self, loss: Loss, count: u64) {
        if let Some(counter) = self.0.get(loss as usize) {
            counter.store(count, Ordering::Relaxed);
        }
    }

    /// Every count that is not 0.
    pub(crate) fn totals(&self) -> BTreeMap<String, u64> {
        let counts = Loss::ALL.iter().zip(&self.0).map(|((_, name), n)| (name.to_string(), n.load(Ordering::Relaxed)));
        counts.filter(|(_, n)| *n > 0).collect()
    }

    /// What was lost since `before`, and sets that to now.
    pub(crate) fn since(&self, before: &mut BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        let now = self.totals();
        let more = now.iter().map(|(name, n)| (name.clone(), n.saturating_sub(before.get(name).copied().unwrap_or(0))));
        let more = more.filter(|(_, n)| *n > 0).collect();
        *before = now;
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loss_has_its_own_counter() {
        let losses = Losses::default();
        for (index, (loss, _)) in Loss::ALL.iter().enumerate() {
            losses.add(*loss, index as u64 + 1);
        }
        for (index, (_, name)) in Loss::ALL.iter().enumerate() {
            assert_eq!(losses.totals()[*name], index as u64 + 1);
        }
        let mut before = losses.totals();
        losses.add(Loss::Pictures, 5);
        assert_eq!(losses.since(&mut before), BTreeMap::from([("pictures".to_owned(), 5)]));
        assert!(losses.since(&mut before).is_empty());
    }
}
