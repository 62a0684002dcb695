//! Median and tail of repeated measurements.

use serde::Serialize;

/// Order statistics of one stage's times, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Number of measurements.
    pub runs: usize,
    /// Half of the runs took at most this.
    pub median_ms: f64,
    /// Nine of ten runs took at most this.
    pub p90_ms: f64,
    /// 99 of 100 runs took at most this; with fewer runs, the slowest.
    pub p99_ms: f64,
}

impl Spread {
    /// The spread of `times_ms`; `None` without any.
    pub fn of(times_ms: &[f64]) -> Option<Self> {
        let mut sorted = times_ms.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            runs: sorted.len(),
            median_ms: at_rank(&sorted, 0.5)?,
            p90_ms: at_rank(&sorted, 0.9)?,
            p99_ms: at_rank(&sorted, 0.99)?,
        })
    }
}

/// Nearest rank: the smallest measurement that at least the share `share` of all do not exceed.
fn at_rank(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_follow_their_definition() {
        let times: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        let spread = Spread::of(&times);
        assert_eq!(spread, Some(Spread { runs: 200, median_ms: 100.0, p90_ms: 180.0, p99_ms: 198.0 }));
        let one = Spread::of(&[5.0]);
        assert_eq!(one, Some(Spread { runs: 1, median_ms: 5.0, p90_ms: 5.0, p99_ms: 5.0 }));
        assert_eq!(Spread::of(&[]), None);
    }
}
