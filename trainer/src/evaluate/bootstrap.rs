//! How sure a measure is: percentile intervals over resampled clips, and two models on the same clips.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::metrics::{Measure, Metrics};
use crate::hash::{key, mix};

/// Percent of the resamples that an interval holds.
const PERCENT: f64 = 95.0;

/// An interval of a measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// 2.5th percentile.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

/// The difference between two models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The measure of the first.
    pub a: f64,
    /// The measure of the second.
    pub b: f64,
    /// b - a.
    pub difference: f64,
    /// 95 % interval of the difference.
    pub interval: Interval,
    /// Two-sided: twice the smaller share of resamples on either side of no difference, at most 1 and at least
    /// 2 / (resamples + 1).
    pub p: f64,
}

/// 95 % percentile intervals of all measures over `resamples` draws of as many clips with replacement. A measure that
/// is undefined on the whole, or in more than half of the draws, has none. The draws are a function of `seed`.
pub fn intervals(pairs: &[(f64, f64)], resamples: usize, seed: u64) -> BTreeMap<Measure, Interval> {
    let Some(whole) = Metrics::of(pairs) else { return BTreeMap::new() };
    let draws: Vec<Metrics> = (0..resamples)
        .into_par_iter()
        .filter_map(|draw| {
            Metrics::of(&drawn(pairs.len(), seed, draw).filter_map(|i| pairs.get(i).copied()).collect::<Vec<_>>())
        })
        .collect();
    Measure::ALL
        .into_iter()
        .filter(|measure| whole.get(*measure).is_some())
        .filter_map(|measure| {
            let values: Vec<f64> = draws.iter().filter_map(|m| m.get(measure)).collect();
            (2 * values.len() > resamples).then(|| interval(values)).flatten().map(|found| (measure, found))
        })
        .collect()
}

/// Two models on the same clips: `triples` of the first's prediction, the second's, and the label. Each draw takes the
/// same clips for both. Measures that are undefined for either model or in a draw are left out.
pub fn compare(triples: &[(f64, f64, f64)], resamples: usize, seed: u64) -> BTreeMap<Measure, Comparison> {
    let split = |clips: &mut dyn Iterator<Item = usize>| {
        let (mut a, mut b) = (Vec::with_capacity(triples.len()), Vec::with_capacity(triples.len()));
        for &(first, second, label) in clips.filter_map(|i| triples.get(i)) {
            a.push((first, label));
            b.push((second, label));
        }
        Some((Metrics::of(&a)?, Metrics::of(&b)?))
    };
    let Some((a, b)) = split(&mut (0..triples.len())) else { return BTreeMap::new() };
    let draws: Vec<(Metrics, Metrics)> =
        (0..resamples).into_par_iter().filter_map(|draw| split(&mut drawn(triples.len(), seed, draw))).collect();
    Measure::ALL
        .into_iter()
        .filter_map(|measure| {
            let (a, b) = (a.get(measure)?, b.get(measure)?);
            let differences: Vec<f64> =
                draws.iter().filter_map(|(a, b)| Some(b.get(measure)? - a.get(measure)?)).collect();
            if differences.len() != resamples {
                return None;
            }
            let share = |side: &dyn Fn(f64) -> bool| (differences.iter().filter(|d| side(**d)).count() + 1) as f64;
            let smaller = share(&|d| d <= 0.0).min(share(&|d| d >= 0.0));
            let p = (2.0 * smaller / (resamples + 1) as f64).min(1.0);
            Some((measure, Comparison { a, b, difference: b - a, interval: interval(differences)?, p }))
        })
        .collect()
}

/// `clips` clip numbers with replacement: draw number `draw` of `seed`.
fn drawn(clips: usize, seed: u64, draw: usize) -> impl Iterator<Item = usize> {
    let key = key(&[seed, draw as u64]);
    // The bias of a remainder of 64 bits is below 2^-40 for any corpus.
    (0..clips).map(move |i| (mix(key, i as u64) % clips.max(1) as u64) as usize)
}

fn interval(mut values: Vec<f64>) -> Option<Interval> {
    values.sort_by(f64::total_cmp);
    let tail = (100.0 - PERCENT) / 200.0;
    Some(Interval { low: quantile(&values, tail)?, high: quantile(&values, 1.0 - tail)? })
}

/// The quantile `q` of sorted values, linear between neighbours (numpy's default).
fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let place = q * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::hash::unit;

    /// Labels in thirds and predictions with an error of known spread.
    fn pairs(n: usize, seed: u64, spread: f64) -> Vec<(f64, f64)> {
        let value = |i: usize, k: u64| unit(mix(seed * 31 + k, i as u64));
        (0..n)
            .map(|i| {
                let y = ((value(i, 0) * 19.0).floor() - 9.0) / 3.0;
                (y + spread * (value(i, 1) - 0.5), y)
            })
            .collect()
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile([1, 2, 4, 8], [0, .25, .5, .9, 1]) = [1, 1.75, 3, 6.8, 8]
        for (q, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!((quantile(&[1.0, 2.0, 4.0, 8.0], q).unwrap() - expected).abs() < 1e-12);
        }
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn the_interval_of_a_mean_is_as_wide_as_theory_says() {
        // |error| is uniform in [0, 1] (spread 2): standard deviation 1/sqrt(12), so the interval of the mean of n is
        // 2 * 1.96 / sqrt(12 n) wide.
        let pairs = pairs(1200, 5, 2.0);
        let found = intervals(&pairs, 2000, 1);
        let mae = found[&Measure::Mae];
        let expected = 2.0 * 1.96 / (12.0f64 * 1200.0).sqrt();
        assert!(((mae.high - mae.low) / expected - 1.0).abs() < 0.1, "{mae:?}, expected width {expected}");
        let whole = Metrics::of(&pairs).unwrap();
        for (measure, interval) in &found {
            let value = whole.get(*measure).unwrap();
            assert!(interval.low <= value && value <= interval.high, "{measure:?}");
        }
        assert_eq!(found.len(), Measure::ALL.len());
        assert_eq!(found, intervals(&pairs, 2000, 1));
        assert_ne!(found, intervals(&pairs, 2000, 2));
    }

    #[test]
    fn intervals_cover_the_truth_as_often_as_they_say() {
        // The true mean absolute error is 0.5; of 200 samples about 190 intervals hold it.
        let holds = (0..200).filter(|&seed| {
            let i = intervals(&pairs(150, seed + 1000, 2.0), 300, seed)[&Measure::Mae];
            i.low <= 0.5 && 0.5 <= i.high
        });
        let held = holds.count();
        assert!((178..=199).contains(&held), "{held} of 200");
    }

    #[test]
    fn undefined_measures_have_no_interval() {
        let found = intervals(&[(0.5, 0.0); 20], 100, 1);
        assert!(found.contains_key(&Measure::Mae) && !found.contains_key(&Measure::Corr));
        assert!(!found.contains_key(&Measure::Acc2Non0));
        assert_eq!(intervals(&[], 100, 1), BTreeMap::new());
    }

    #[test]
    fn pairing_sees_what_unpaired_intervals_hide() {
        // The second model is worse by 0.02 on every clip, far less than the spread between clips.
        let triples: Vec<_> =
            pairs(300, 9, 2.0).into_iter().map(|(p, y)| (p, if p > y { p + 0.02 } else { p - 0.02 }, y)).collect();
        let found = compare(&triples, 999, 3);
        let mae = &found[&Measure::Mae];
        assert!((mae.difference - 0.02).abs() < 1e-9 && (mae.interval.low - 0.02).abs() < 1e-9);
        assert!((mae.p - 2.0 / 1000.0).abs() < 1e-12);
        let same: Vec<_> = triples.iter().map(|&(a, _, y)| (a, a, y)).collect();
        let same = &compare(&same, 99, 3)[&Measure::Mae];
        assert_eq!((same.difference, same.interval, same.p), (0.0, Interval { low: 0.0, high: 0.0 }, 1.0));
    }
}
