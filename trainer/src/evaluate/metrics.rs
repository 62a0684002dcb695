//! The measures of sentiment regression (specification, data section 6).

use serde::{Deserialize, Serialize};

/// A measure; those that are rates lie in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Mean absolute error; predictions are not clipped.
    Mae,
    /// Mean squared error; predictions are not clipped.
    Mse,
    /// Pearson's correlation.
    Corr,
    /// Share of equal classes -3, ..., 3 after clipping and rounding half to even.
    Acc7,
    /// The same with -2, ..., 2.
    Acc5,
    /// The same with -1, 0, 1.
    Acc3,
    /// Share of equal signs, negative against not negative, over all clips.
    Acc2Has0,
    /// F1 of these classes, weighted by how often each is true.
    F1Has0,
    /// Share of equal signs, negative against positive, over clips whose label is not 0. A prediction of 0 is negative.
    Acc2Non0,
    /// F1 of these classes, weighted by how often each is true.
    F1Non0,
}

impl Measure {
    /// All of them, in the order of a table.
    pub const ALL: [Self; 10] = [
        Self::Mae,
        Self::Corr,
        Self::Acc2Has0,
        Self::F1Has0,
        Self::Acc2Non0,
        Self::F1Non0,
        Self::Acc5,
        Self::Acc7,
        Self::Acc3,
        Self::Mse,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mae => "MAE",
            Self::Mse => "MSE",
            Self::Corr => "Corr",
            Self::Acc7 => "Acc-7",
            Self::Acc5 => "Acc-5",
            Self::Acc3 => "Acc-3",
            Self::Acc2Has0 => "Acc-2 has0",
            Self::F1Has0 => "F1 has0",
            Self::Acc2Non0 => "Acc-2 non0",
            Self::F1Non0 => "F1 non0",
        }
    }

    /// Whether less is better.
    pub fn is_error(self) -> bool {
        matches!(self, Self::Mae | Self::Mse)
    }
}

/// All measures of one set of predictions, in full precision. `None` where a measure is undefined: the correlation with
/// something constant, signs where every label is 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Number of clips.
    pub clips: usize,
    /// Mean absolute error.
    pub mae: f64,
    /// Mean squared error.
    pub mse: f64,
    /// Pearson's correlation.
    pub corr: Option<f64>,
    /// Accuracy of seven classes.
    pub acc7: f64,
    /// Accuracy of five classes.
    pub acc5: f64,
    /// Accuracy of three classes.
    pub acc3: f64,
    /// Accuracy of signs, labels of 0 being not negative.
    pub acc2_has0: f64,
    /// Weighted F1 of these signs.
    pub f1_has0: f64,
    /// Accuracy of signs without labels of 0.
    pub acc2_non0: Option<f64>,
    /// Weighted F1 of these signs.
    pub f1_non0: Option<f64>,
}

impl Metrics {
    /// Measures of predictions against labels, pair by pair; `None` without pairs.
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        if pairs.is_empty() {
            return None;
        }
        let mean =
            |value: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|&(p, y)| value(p, y)).sum::<f64>() / pairs.len() as f64;
        let class = |v: f64, most: f64| v.clamp(-most, most).round_ties_even();
        let accuracy = |most: f64| mean(&|p, y| f64::from(class(p, most) == class(y, most)));
        let has0 = Signs::count(pairs.iter().map(|&(p, y)| (p >= 0.0, y >= 0.0)));
        let non0 = Signs::count(pairs.iter().filter(|(_, y)| *y != 0.0).map(|&(p, y)| (p > 0.0, y > 0.0)));
        Some(Self {
            clips: pairs.len(),
            mae: mean(&|p, y| (p - y).abs()),
            mse: mean(&|p, y| (p - y) * (p - y)),
            corr: correlation(pairs),
            acc7: accuracy(3.0),
            acc5: accuracy(2.0),
            acc3: accuracy(1.0),
            // There are pairs, so both are defined.
            acc2_has0: has0.accuracy().unwrap_or(0.0),
            f1_has0: has0.weighted_f1().unwrap_or(0.0),
            acc2_non0: non0.accuracy(),
            f1_non0: non0.weighted_f1(),
        })
    }

    /// One measure.
    pub fn get(&self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Mae => Some(self.mae),
            Measure::Mse => Some(self.mse),
            Measure::Corr => self.corr,
            Measure::Acc7 => Some(self.acc7),
            Measure::Acc5 => Some(self.acc5),
            Measure::Acc3 => Some(self.acc3),
            Measure::Acc2Has0 => Some(self.acc2_has0),
            Measure::F1Has0 => Some(self.f1_has0),
            Measure::Acc2Non0 => self.acc2_non0,
            Measure::F1Non0 => self.f1_non0,
        }
    }
}

/// Pearson's correlation; `None` where either side is constant.
pub(crate) fn correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let &(p0, y0) = pairs.first()?;
    // A constant's computed variance need not be exactly 0.
    if pairs.iter().all(|(p, _)| *p == p0) || pairs.iter().all(|(_, y)| *y == y0) {
        return None;
    }
    let n = pairs.len() as f64;
    let (sum_p, sum_y) = pairs.iter().fold((0.0, 0.0), |(a, b), (p, y)| (a + p, b + y));
    let (mean_p, mean_y) = (sum_p / n, sum_y / n);
    let (mut pp, mut yy, mut py) = (0.0, 0.0, 0.0);
    for (p, y) in pairs {
        let (dp, dy) = (p - mean_p, y - mean_y);
        pp += dp * dp;
        yy += dy * dy;
        py += dp * dy;
    }
    let corr = py / (pp.sqrt() * yy.sqrt());
    corr.is_finite().then(|| corr.clamp(-1.0, 1.0))
}

/// How often each sign was predicted for each true sign.
#[derive(Clone, Copy, Debug, Default)]
struct Signs {
    true_positive: f64,
    false_positive: f64,
    true_negative: f64,
    false_negative: f64,
}

impl Signs {
    fn count(pairs: impl Iterator<Item = (bool, bool)>) -> Self {
        let mut signs = Self::default();
        for (predicted, label) in pairs {
            *match (predicted, label) {
                (true, true) => &mut signs.true_positive,
                (true, false) => &mut signs.false_positive,
                (false, false) => &mut signs.true_negative,
                (false, true) => &mut signs.false_negative,
            } += 1.0;
        }
        signs
    }

    fn total(self) -> Option<f64> {
        let total = self.true_positive + self.false_positive + self.true_negative + self.false_negative;
        (total > 0.0).then_some(total)
    }

    fn accuracy(self) -> Option<f64> {
        Some((self.true_positive + self.true_negative) / self.total()?)
    }

    /// F1 of each class, 0 where it is undefined, weighted by the number of labels of the class.
    fn weighted_f1(self) -> Option<f64> {
        let f1 = |hits: f64, wrong: f64, missed: f64| {
            let all = 2.0 * hits + wrong + missed;
            if all > 0.0 { 2.0 * hits / all } else { 0.0 }
        };
        let positive = f1(self.true_positive, self.false_positive, self.false_negative);
        let negative = f1(self.true_negative, self.false_negative, self.false_positive);
        let (positives, negatives) =
            (self.true_positive + self.false_negative, self.true_negative + self.false_positive);
        Some((positive * positives + negative * negatives) / self.total()?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-7, "{found}, expected {expected}");
    }

    /// The golden values of the specification, data section 6.
    #[test]
    fn golden_values_are_met() {
        let p = [3.4, -0.2, 0.0, 0.5, 1.5, -2.6, 0.1, 2.5];
        let y = [3.0, -1.0 / 3.0, 0.0, 0.0, 2.0 / 3.0, -3.0, -2.0 / 3.0, 1.0 / 3.0];
        let pairs: Vec<_> = p.into_iter().zip(y).collect();
        let m = Metrics::of(&pairs).unwrap();
        close(m.mae, 0.65);
        close(m.corr.unwrap(), 0.931134);
        close(m.acc2_has0, 0.875);
        close(m.f1_has0, 0.868182);
        close(m.acc2_non0.unwrap(), 0.833333);
        close(m.f1_non0.unwrap(), 0.828571);
        close(m.acc7, 0.625);
        close(m.acc5, 0.625);
        assert_eq!(m.clips, 8);
        // (0.16 + 0.04/9*4 + 0 + 0.25 + 25/36 + 0.16 + 0.587777... + 4.694444...) / 8, by hand.
        close(
            m.mse,
            (0.4f64.powi(2)
                + (2.0f64 / 15.0).powi(2)
                + 0.25
                + (5.0f64 / 6.0).powi(2)
                + 0.16
                + (23.0f64 / 30.0).powi(2)
                + (13.0f64 / 6.0).powi(2))
                / 8.0,
        );
    }

    #[test]
    fn halves_round_to_even_after_clipping() {
        let acc7 = |p: f64, y: f64| Metrics::of(&[(p, y)]).unwrap().acc7;
        for (p, y) in [(0.5, 0.0), (1.5, 2.0), (2.5, 2.0), (-0.5, 0.0), (-1.5, -2.0), (9.0, 3.0), (-9.0, -3.0)] {
            assert_eq!(acc7(p, y), 1.0, "{p}");
        }
        assert_eq!(acc7(0.5, 1.0), 0.0);
        let one = |p: f64, y: f64| Metrics::of(&[(p, y)]).unwrap();
        assert_eq!((one(2.2, 3.0).acc7, one(2.2, 3.0).acc5, one(1.6, 3.0).acc3), (0.0, 1.0, 1.0));
    }

    #[test]
    fn zero_counts_as_the_kinds_of_accuracy_say() {
        // p = 0 is not negative in one kind and negative in the other; y = 0 is dropped in the other.
        let m = Metrics::of(&[(0.0, 1.0), (-1.0, 0.0)]).unwrap();
        assert_eq!((m.acc2_has0, m.acc2_non0), (0.5, Some(0.0)));
        // Errors do not clip.
        assert_eq!(Metrics::of(&[(10.0, 3.0)]).unwrap().mae, 7.0);
    }

    #[test]
    fn what_is_undefined_is_none() {
        assert_eq!(Metrics::of(&[]), None);
        let m = Metrics::of(&[(0.1, 0.0), (0.1, 0.0)]).unwrap();
        assert_eq!((m.corr, m.acc2_non0, m.f1_non0), (None, None, None));
        // 0.1 three times: the mean is not exactly 0.1.
        assert_eq!(Metrics::of(&[(0.1, 1.0), (0.1, 2.0), (0.1, 3.0)]).unwrap().corr, None);
        close(Metrics::of(&[(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)]).unwrap().corr.unwrap(), 1.0);
        close(Metrics::of(&[(1.0, -2.0), (2.0, -4.0), (3.0, -6.0)]).unwrap().corr.unwrap(), -1.0);
    }

    #[test]
    fn a_class_that_is_never_predicted_has_an_f1_of_zero() {
        // Labels: 3 positive, 1 negative; all predicted positive. F1 positive 6/7 with weight 3/4, negative 0.
        let m = Metrics::of(&[(1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, -1.0)]).unwrap();
        close(m.f1_non0.unwrap(), 6.0 / 7.0 * 0.75);
    }
}
