//! What each modality is worth: the weights that the network gives it, and the error without it.

use crate::evaluate::{Comparison, Measure, Mode, Predictions, Representations, compare};

/// Names of the modalities, in the order of weights.
pub const MODALITIES: [&str; 3] = ["audio", "text", "face"];

const NO_AUDIO: Mode = Mode { audio: false, ..Mode::COMPLETE };
const TEXT_MISSING_NO_AUDIO: Mode = Mode { audio: false, ..Mode::TEXT_MISSING };

/// The modes that a report measures: the usual ones, and those without sound.
pub const MODES: [Mode; 8] = [
    Mode::COMPLETE,
    Mode::TEXT_MISSING,
    Mode::NO_LLM,
    Mode::NO_FACE,
    Mode::TEXT_MISSING_NO_FACE,
    NO_AUDIO,
    TEXT_MISSING_NO_AUDIO,
    Mode::NOISE,
];

/// What is taken away, from what, and what is left.
const STEPS: [(&str, Mode, Mode); 7] = [
    ("real text", Mode::COMPLETE, Mode::TEXT_MISSING),
    ("all text", Mode::COMPLETE, Mode::NO_LLM),
    ("face", Mode::COMPLETE, Mode::NO_FACE),
    ("audio", Mode::COMPLETE, NO_AUDIO),
    ("simulated text", Mode::TEXT_MISSING, Mode::NO_LLM),
    ("face", Mode::TEXT_MISSING, Mode::TEXT_MISSING_NO_FACE),
    ("audio", Mode::TEXT_MISSING, TEXT_MISSING_NO_AUDIO),
];

/// The three weights of the network (specification, method section 3.4) over the clips of a split. They are signed and
/// not normalised; a record of the device holds the same three as `weights`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Means of audio, text, face.
    pub mean: [f64; 3],
    /// Standard deviations (n - 1).
    pub deviation: [f64; 3],
    /// Means of |w| as shares of the sum of all three: 1 for a modality that alone counts.
    pub share: [f64; 3],
}

impl Weights {
    /// Of the clips of one flow; `None` without clips.
    pub fn of(representations: &Representations) -> Option<Self> {
        let weights = &representations.weights;
        let n = weights.len() as f64;
        if weights.is_empty() {
            return None;
        }
        let column = |m: usize| weights.iter().filter_map(move |w| w.get(m).map(|w| f64::from(*w)));
        let mean = [0, 1, 2].map(|m| column(m).sum::<f64>() / n);
        let squares = |m: usize, mean: f64| column(m).map(|w| (w - mean).powi(2)).sum::<f64>();
        let deviation =
            [0, 1, 2].map(|m| (squares(m, mean.get(m).copied().unwrap_or(0.0)) / (n - 1.0).max(1.0)).sqrt());
        let size = [0, 1, 2].map(|m| column(m).map(f64::abs).sum::<f64>());
        let total = size.iter().sum::<f64>();
        let share = size.map(|s| if total > 0.0 { s / total } else { 0.0 });
        Some(Self { mean, deviation, share })
    }
}

/// The error with and without something, on the same clips.
#[derive(Clone, Debug, PartialEq)]
pub struct TakenAway {
    /// What was taken away.
    pub what: &'static str,
    /// The mode that it was taken from.
    pub from: Mode,
    /// The mode that was left.
    pub left: Mode,
    /// Mean absolute errors, their difference and its interval; above 0 the error grew.
    pub mae: Comparison,
}

/// The errors without each modality, where `predictions` hold both modes; `resamples` and `seed` are the bootstrap's.
pub fn taken_away(predictions: &Predictions, resamples: usize, seed: u64) -> Vec<TakenAway> {
    let step = |(what, from, left): (&'static str, Mode, Mode)| {
        let (with, without) = (predictions.pairs(from), predictions.pairs(left));
        if with.is_empty() || without.is_empty() {
            return None;
        }
        let triples: Vec<(f64, f64, f64)> =
            with.into_iter().zip(without).map(|((with, label), (without, _))| (with, without, label)).collect();
        let mae = compare(&triples, resamples, seed).remove(&Measure::Mae)?;
        Some(TakenAway { what, from, left, mae })
    };
    STEPS.into_iter().filter_map(step).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn weights_are_averaged_with_their_signs() {
        let representations = Representations {
            weights: vec![[1.0, -2.0, 0.0], [3.0, -2.0, 0.0], [-1.0, -2.0, 0.0]],
            ..Representations::default()
        };
        let found = Weights::of(&representations).unwrap();
        assert_eq!(found.mean, [1.0, -2.0, 0.0]);
        // Squares of audio: 0, 4, 4 over 2.
        assert_eq!(found.deviation, [2.0, 0.0, 0.0]);
        // |w|: 5, 6, 0.
        assert_eq!(found.share, [5.0 / 11.0, 6.0 / 11.0, 0.0]);
        assert_eq!(Weights::of(&Representations::default()), None);
    }

    #[test]
    fn errors_are_compared_on_the_same_clips() {
        let labels = vec![1.0, -1.0, 2.0, 0.0];
        let off = |by: f64| labels.iter().map(|y| y + by).collect::<Vec<f64>>();
        let predictions = Predictions {
            ids: (0..4).map(|i| format!("v{i}_0")).collect(),
            modes: vec![(Mode::COMPLETE, off(0.25)), (Mode::NO_FACE, off(-1.0)), (Mode::TEXT_MISSING, off(0.125))],
            labels,
        };
        let found = taken_away(&predictions, 50, 1);
        let names: Vec<_> = found.iter().map(|t| (t.what, t.left)).collect();
        let expected = [("real text", Mode::TEXT_MISSING), ("face", Mode::NO_FACE)];
        assert_eq!(names, expected, "modes that were not measured are left out");
        // Every clip is off by the same, so every draw is.
        let (a, b, interval) = (found[1].mae.a, found[1].mae.b, found[1].mae.interval);
        assert_eq!((a, b, found[1].mae.difference), (0.25, 1.0, 0.75));
        assert_eq!((interval.low, interval.high), (0.75, 0.75));
        assert_eq!(found[0].mae.difference, -0.125);
    }

    #[test]
    fn every_step_is_between_modes_that_are_measured() {
        for (what, from, left) in STEPS {
            assert!(MODES.contains(&from) && MODES.contains(&left) && from != left, "{what}");
        }
        for (_, usual) in Mode::USUAL {
            assert!(MODES.contains(&usual));
        }
    }
}
