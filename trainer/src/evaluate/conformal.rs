//! Split-conformal intervals: a half width that holds the truth for a stated share of clips like those it was made from.

/// Half the width of the interval that holds `percent` of new clips: the k-th smallest absolute error of `n` clips that
/// the model did not learn from, k = ceil((n + 1) percent / 100).
///
/// `None` when there are too few clips to promise anything (k > n), or an error is not finite.
pub fn half_width(pairs: &[(f64, f64)], percent: u32) -> Option<f64> {
    let mut errors: Vec<f64> = pairs.iter().map(|(p, y)| (p - y).abs()).collect();
    if errors.iter().any(|e| !e.is_finite()) {
        return None;
    }
    errors.sort_by(f64::total_cmp);
    // In integers: (n + 1) 0.9 in floats lies above the whole number for some n.
    let rank = (errors.len() + 1).checked_mul(percent as usize)?.div_ceil(100);
    errors.get(rank.checked_sub(1)?).copied()
}

/// Share of clips whose label lies within `half_width` of the prediction; `None` without clips.
pub fn coverage(pairs: &[(f64, f64)], half_width: f64) -> Option<f64> {
    let held = pairs.iter().filter(|(p, y)| (p - y).abs() <= half_width).count();
    (!pairs.is_empty()).then(|| held as f64 / pairs.len() as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::hash::{mix, unit};

    /// Errors 1, 2, ..., n in a mixed order.
    fn errors(n: usize) -> Vec<(f64, f64)> {
        (0..n).map(|i| ((i * 7 % n + 1) as f64, 0.0)).collect()
    }

    #[test]
    fn the_rank_is_that_of_finite_samples() {
        // ceil((n + 1) 0.9): 9 of 9, 10 of 10, 18 of 19, 19 of 20, 90 of 99, 91 of 100.
        for (n, rank) in [(9, 9), (10, 10), (19, 18), (20, 19), (29, 27), (99, 90), (100, 91)] {
            assert_eq!(half_width(&errors(n), 90), Some(rank as f64), "{n}");
        }
        // Fewer than nine clips promise nothing.
        assert_eq!(half_width(&errors(8), 90), None);
        assert_eq!(half_width(&[], 90), None);
        assert_eq!(half_width(&[(f64::NAN, 0.0); 20], 90), None);
    }

    #[test]
    fn new_clips_are_held_as_often_as_promised() {
        // Errors of any shape: here heavy-tailed. Mean coverage over many splits is between 0.9 and 0.9 + 1/(n+1).
        let error = |k: u64, i: usize| 1.0 / (0.01 + unit(mix(k, i as u64)));
        let n = 49;
        let mut held = 0.0;
        for k in 0..400 {
            let draw = |from: usize, count: usize| (from..from + count).map(|i| (error(k, i), 0.0)).collect::<Vec<_>>();
            held += coverage(&draw(n, 100), half_width(&draw(0, n), 90).unwrap()).unwrap();
        }
        let mean = held / 400.0;
        assert!((0.89..0.93).contains(&mean), "{mean}");
    }

    #[test]
    fn a_label_at_the_edge_is_held() {
        assert_eq!(coverage(&[(1.0, 0.0), (1.5, 0.0)], 1.0), Some(0.5));
        assert_eq!(coverage(&[], 1.0), None);
    }
}
