//! How alike the network finds clips, in the order of their labels (the paper's Fig. 2).
//!
//! Where features are arranged by label, clips with near labels are alike and far ones are not: the matrix is bright
//! along its diagonal and fades away from it.

use std::fmt;
use std::str::FromStr;

use mien_models::tensor::formula::fnv1a64;
use rayon::prelude::*;

use crate::evaluate::Representations;
use crate::hash::{key, mix};

/// Clips that are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// At most so many.
    pub most: usize,
    /// Which ones.
    pub seed: u64,
}

/// The features that are compared. The paper does not say which ones its figure shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Feature {
    /// f, D / 4 numbers: what rank-N-contrast arranges by label (specification, method section 3.7).
    #[default]
    Contrast,
    /// r, D / 2 numbers: what the valence is read from, and what the paper's text says is contrasted (paper-vs-code 21).
    Fused,
}

impl Feature {
    /// Each clip's numbers.
    pub fn of(self, representations: &Representations) -> &[Vec<f32>] {
        match self {
            Self::Contrast => &representations.contrast,
            Self::Fused => &representations.fused,
        }
    }

    /// In words, for the page.
    pub fn about(self) -> &'static str {
        match self {
            Self::Contrast => "the contrastive feature f, which rank-N-contrast arranges by label",
            Self::Fused => "the fused representation r, which the valence is read from",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contrast => "contrast",
            Self::Fused => "fused",
        })
    }
}

impl FromStr for Feature {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "contrast" => Ok(Self::Contrast),
            "fused" => Ok(Self::Fused),
            _ => Err(format!("expected contrast or fused, found {text:?}")),
        }
    }
}

/// A similarity matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Similarity {
    /// The clips' labels, ascending.
    pub labels: Vec<f64>,
    /// Cosines [clips, clips], row-major, -1 to 1.
    pub cosines: Vec<f32>,
    /// Pearson's correlation of cosine and nearness of labels over all pairs of clips: 1 where similarity falls evenly
    /// with the labels' distance. `None` where one of them is constant.
    pub order: Option<f64>,
}

impl Similarity {
    /// The similarity of `clips`, numbers into `features` and `labels`, in the order given.
    pub fn of(features: &[Vec<f32>], labels: &[f64], clips: &[usize]) -> Self {
        let pick = |clip: &usize| Some((features.get(*clip)?.as_slice(), *labels.get(*clip)?));
        let (rows, labels): (Vec<&[f32]>, Vec<f64>) = clips.iter().filter_map(pick).unzip();
        let cosines = cosines(&rows);
        let order = order(&cosines, &labels);
        Self { labels, cosines, order }
    }
}

/// At most `sampling.most` clip numbers, ordered by label and, among equal labels, by id. From each of the seven
/// classes -3, ..., 3 as large a share as it has among all clips, and at least one clip while there is room; which ones
/// is a function of seed and ids, so that runs of one corpus show the same clips.
pub fn sample(ids: &[String], labels: &[f64], sampling: Sampling) -> Vec<usize> {
    let mut classes: [Vec<usize>; 7] = Default::default();
    for (clip, label) in labels.iter().enumerate().take(ids.len()) {
        let class = label.clamp(-3.0, 3.0).round_ties_even() + 3.0;
        if let Some(class) = classes.get_mut(class as usize) {
            class.push(clip);
        }
    }
    let id = |clip: usize| ids.get(clip).map_or("", String::as_str);
    let label = |clip: usize| labels.get(clip).copied().unwrap_or_default();
    let sizes = classes.each_ref().map(Vec::len);
    let mut shown = Vec::new();
    for (class, take) in classes.iter_mut().zip(shares(sizes, sampling.most)) {
        class.sort_by_key(|clip| (mix(key(&[sampling.seed]), fnv1a64(id(*clip))), *clip));
        shown.extend(class.iter().take(take));
    }
    shown.sort_by(|a, b| label(*a).total_cmp(&label(*b)).then_with(|| id(*a).cmp(id(*b))));
    shown
}

/// How many of `most` places each class gets: by size, the largest remainders first.
fn shares(sizes: [usize; 7], most: usize) -> [usize; 7] {
    let total: usize = sizes.iter().sum();
    if total <= most {
        return sizes;
    }
    let present = sizes.iter().filter(|n| **n > 0).count();
    // One for each class that there is, the rest by size.
    let first = usize::from(present <= most);
    let rest = most - first * present;
    let wanted = sizes.map(|n| (n - first.min(n)) as u128 * rest as u128);
    let spread = (total - first * present).max(1) as u128;
    let mut found = [0; 7];
    let mut remainders = Vec::new();
    for (class, (&size, wanted)) in sizes.iter().zip(wanted).enumerate() {
        if let Some(slot) = found.get_mut(class) {
            *slot = first.min(size) + (wanted / spread) as usize;
        }
        remainders.push((std::cmp::Reverse(wanted % spread), class));
    }
    remainders.sort();
    let given: usize = found.iter().sum();
    for (_, class) in remainders.into_iter().take(most - given.min(most)) {
        if let Some(slot) = found.get_mut(class) {
            *slot += 1;
        }
    }
    found
}

/// Cosines of all pairs of rows, row-major. A row of zeros has similarity 0 to every row.
pub fn cosines(rows: &[&[f32]]) -> Vec<f32> {
    let norm = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let norms: Vec<f64> = rows.iter().map(|row| norm(row)).collect();
    let cosine = |(a, norm_a): (&[f32], f64), (b, norm_b): (&[f32], f64)| {
        let product: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        let size = norm_a * norm_b;
        if size > 0.0 { (product / size).clamp(-1.0, 1.0) as f32 } else { 0.0 }
    };
    let all: Vec<(&[f32], f64)> = rows.iter().copied().zip(norms).collect();
    all.par_iter().flat_map_iter(|a| all.iter().map(move |b| cosine(*a, *b))).collect()
}

/// Correlation of cosines [clips, clips] with nearness of labels over pairs of different clips.
fn order(cosines: &[f32], labels: &[f64]) -> Option<f64> {
    let n = labels.len();
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    let pairs: Vec<(f64, f64)> = pairs
        .filter_map(|(i, j)| Some((f64::from(*cosines.get(i * n + j)?), -(labels.get(i)? - labels.get(j)?).abs())))
        .collect();
    crate::evaluate::metrics::correlation(&pairs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Features on a circle: the cosine of two is that of the angle between them.
    fn circle(degrees: &[f64]) -> Vec<Vec<f32>> {
        let point = |d: &f64| vec![d.to_radians().cos() as f32 * 3.0, d.to_radians().sin() as f32 * 3.0];
        degrees.iter().map(point).collect()
    }

    #[test]
    fn cosines_are_those_of_the_angles() {
        let features = circle(&[0.0, 60.0, 90.0, 180.0]);
        let rows: Vec<&[f32]> = features.iter().map(Vec::as_slice).collect();
        let expected = [
            [1.0, 0.5, 0.0, -1.0], //
            [0.5, 1.0, 0.75f64.sqrt(), -0.5],
            [0.0, 0.75f64.sqrt(), 1.0, 0.0],
            [-1.0, -0.5, 0.0, 1.0],
        ];
        for (found, expected) in cosines(&rows).iter().zip(expected.concat()) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found}, expected {expected}");
        }
        // Length does not count, and nothing is like nothing.
        let rows: [&[f32]; 3] = [&[1.0, 1.0], &[100.0, 100.0], &[0.0, 0.0]];
        let found = cosines(&rows);
        assert!((found[1] - 1.0).abs() < 1e-6);
        assert_eq!((found[2], found[8]), (0.0, 0.0));
    }

    #[test]
    fn a_matrix_is_in_the_order_of_labels() {
        let labels = [2.0, -1.0, 0.0];
        let features = circle(&[90.0, 0.0, 60.0]);
        let ids = ["a", "b", "c"].map(String::from);
        let clips = sample(&ids, &labels, Sampling { most: 10, seed: 1 });
        assert_eq!(clips, [1, 2, 0]);
        let found = Similarity::of(&features, &labels, &clips);
        assert_eq!(found.labels, [-1.0, 0.0, 2.0]);
        let expected = [1.0, 0.5, 0.0, 0.5, 1.0, 0.75f32.sqrt(), 0.0, 0.75f32.sqrt(), 1.0];
        for (found, expected) in found.cosines.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
        }
        // Pairs (cosine, distance): (0.5, 1), (0, 3), (0.866, 2). Pearson's correlation with minus the distance by
        // hand: means 0.4553 and -2; sums of products 0.5 and of squares 0.3777 and 2.
        assert!((found.order.unwrap() - 0.5 / (0.377_99f64 * 2.0).sqrt()).abs() < 1e-4, "{:?}", found.order);
    }

    #[test]
    fn similarity_that_falls_evenly_with_distance_has_order_one() {
        let labels: Vec<f64> = (0..7).map(|i| f64::from(i) - 3.0).collect();
        let cosines: Vec<f32> =
            labels.iter().flat_map(|a| labels.iter().map(move |b| (1.0 - (a - b).abs() / 6.0) as f32)).collect();
        assert!((order(&cosines, &labels).unwrap() - 1.0).abs() < 1e-6);
        let turned: Vec<f32> = cosines.iter().map(|c| -c).collect();
        assert!((order(&turned, &labels).unwrap() + 1.0).abs() < 1e-6);
        assert_eq!(order(&[0.5; 49], &labels), None);
        assert_eq!(order(&[1.0], &[0.0]), None);
    }

    #[test]
    fn samples_keep_the_shares_of_classes() {
        // 600 clips of class 0, 250 of 1, 148 of -2, 2 of 3.
        let counts = [(0.0, 600), (4.0 / 3.0, 250), (-2.0, 148), (3.0, 2)];
        let labels: Vec<f64> = counts.iter().flat_map(|(label, n)| std::iter::repeat_n(*label, *n)).collect();
        let ids: Vec<String> = (0..labels.len()).map(|i| format!("v{i}_0")).collect();
        let of = |most, seed| sample(&ids, &labels, Sampling { most, seed });
        let clips = of(100, 1);
        assert_eq!(clips.len(), 100);
        let count = |label: f64| clips.iter().filter(|clip| labels[**clip] == label).count();
        // One for each class and 96 by size: 96 * 599 / 996 = 57.7, 24.0, 14.2, 0.1.
        assert_eq!(counts.map(|(label, _)| count(label)), [59, 25, 15, 1]);
        assert!(clips.windows(2).all(|pair| labels[pair[0]] <= labels[pair[1]]));
        let mut distinct = clips.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 100);
        assert_eq!(clips, of(100, 1), "the seed decides");
        assert_ne!(clips, of(100, 2));
        // Small splits are shown whole, and a page with room for fewer clips than classes has the largest.
        assert_eq!(of(1000, 1).len(), 1000);
        assert_eq!(of(2, 1).len(), 2);
        assert_eq!(of(0, 1), [0usize; 0]);
    }

    #[test]
    fn the_same_clips_are_shown_in_whatever_order_they_come() {
        let labels: Vec<f64> = (0..50).map(|i| f64::from(i % 7) - 3.0).collect();
        let ids: Vec<String> = (0..50).map(|i| format!("v{i}_0")).collect();
        let sampling = Sampling { most: 20, seed: 5 };
        let names = |ids: &[String], clips: Vec<usize>| clips.iter().map(|c| ids[*c].clone()).collect::<Vec<_>>();
        let (mut turned_ids, mut turned) = (ids.clone(), labels.clone());
        turned_ids.reverse();
        turned.reverse();
        let forward = names(&ids, sample(&ids, &labels, sampling));
        assert_eq!(forward, names(&turned_ids, sample(&turned_ids, &turned, sampling)));
    }
}
