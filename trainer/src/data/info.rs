//! What a store holds, in numbers.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::corpus::{Modality, SPLITS, split_name};
use super::id::video_of;
use super::store::{SplitIndex, Store};

/// A split in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SplitInfo {
    /// `train`, `valid` or `test`.
    pub split: &'static str,
    /// Number of clips.
    pub clips: usize,
    /// Number of videos that they were cut from.
    pub videos: usize,
    /// Number of speakers, where the corpus tells.
    pub speakers: Option<usize>,
    /// Clips with a transcript.
    pub transcripts: usize,
    /// The labels.
    pub labels: LabelInfo,
    /// Rows of each modality.
    pub rows: BTreeMap<Modality, LengthInfo>,
}

/// Labels in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelInfo {
    /// Clips by class -3, -2, ..., 3 (rounded half to even, as Acc-7 counts).
    pub classes: [usize; 7],
    /// Clips with a label below 0.
    pub negative: usize,
    /// Clips with a label of exactly 0.
    pub zero: usize,
    /// Clips with a label above 0.
    pub positive: usize,
    /// Mean of the labels.
    pub mean: f64,
    /// Standard deviation of the labels.
    pub deviation: f64,
}

/// Rows per clip in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LengthInfo {
    /// Shortest clip.
    pub least: usize,
    /// Half of the clips have at most so many rows.
    pub median: usize,
    /// 95 of 100 clips have at most so many rows.
    pub percentile95: usize,
    /// Longest clip.
    pub most: usize,
    /// All rows together.
    pub total: usize,
    /// Size of the row file.
    pub bytes: u64,
}

/// The splits of a store in numbers.
pub fn info(store: &Store) -> [SplitInfo; 3] {
    SPLITS.map(|split| {
        let index = store.index().split(split);
        let distinct = |list: &mut dyn Iterator<Item = &str>| list.collect::<BTreeSet<_>>().len();
        let speakers = index.speakers.as_ref().map(|list| distinct(&mut list.iter().flatten().map(String::as_str)));
        SplitInfo {
            split: split_name(split),
            clips: index.ids.len(),
            videos: distinct(&mut index.ids.iter().map(|id| video_of(id))),
            speakers,
            transcripts: index.transcripts.as_ref().map_or(0, |list| list.iter().flatten().count()),
            labels: labels(&index.labels),
            rows: rows(index),
        }
    })
}

fn labels(labels: &[f32]) -> LabelInfo {
    let mut classes = [0; 7];
    for label in labels {
        let class = f64::from(*label).clamp(-3.0, 3.0).round_ties_even() + 3.0;
        if let Some(count) = classes.get_mut(class as usize) {
            *count += 1;
        }
    }
    let n = labels.len().max(1) as f64;
    let mean = labels.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let variance = labels.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
    let count = |which: &dyn Fn(f32) -> bool| labels.iter().filter(|v| which(**v)).count();
    LabelInfo {
        classes,
        negative: count(&|v| v < 0.0),
        zero: count(&|v| v == 0.0),
        positive: count(&|v| v > 0.0),
        mean,
        deviation: variance.sqrt(),
    }
}

fn rows(index: &SplitIndex) -> BTreeMap<Modality, LengthInfo> {
    let length = |(modality, lengths): (&Modality, &Vec<usize>)| {
        let mut sorted = lengths.clone();
        sorted.sort_unstable();
        // The smallest length that so many of 100 clips do not exceed.
        let percentile = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).copied().unwrap_or(0)
        };
        let info = LengthInfo {
            least: percentile(0),
            median: percentile(50),
            percentile95: percentile(95),
            most: percentile(100),
            total: lengths.iter().sum(),
            bytes: index.files.get(modality).map_or(0, |file| file.bytes),
        };
        (*modality, info)
    };
    index.lengths.iter().map(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_counted_by_class_and_sign() {
        let info = labels(&[-3.0, -2.5, -1.0 / 3.0, 0.0, 0.5, 1.5, 3.0]);
        assert_eq!(info.classes, [1, 1, 0, 3, 0, 1, 1]);
        assert_eq!((info.negative, info.zero, info.positive), (3, 1, 3));
        assert!((info.mean + 0.119_047_6).abs() < 1e-6, "{}", info.mean);
    }

    #[test]
    fn percentiles_are_lengths_that_occur() {
        let index =
            SplitIndex { lengths: [(Modality::Audio, (1..=40).rev().collect())].into(), ..SplitIndex::default() };
        let info = &rows(&index)[&Modality::Audio];
        assert_eq!((info.least, info.median, info.percentile95, info.most, info.total), (1, 20, 38, 40, 820));
    }
}
