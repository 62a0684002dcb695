//! Whether scores of the byte networks may stand for those of the float networks.

use crate::{QuantizeError, Result};

/// Fewer utterances than this have no 99th percentile below their largest difference.
const MANY: usize = 100;

/// How far valences may move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gate {
    limit: f64,
}

/// An utterance scored by both networks.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The utterance, for messages.
    pub name: String,
    /// Its valence by the float networks.
    pub float: f64,
    /// Its valence by the byte networks.
    pub byte: f64,
}

/// How far valences moved.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Utterances that were scored twice.
    pub utterances: usize,
    /// The 99th percentile of |byte - float|: the smallest difference that 99 of 100 utterances do not exceed.
    pub p99: f64,
    /// Mean of |byte - float|.
    pub mean: f64,
    /// The largest difference.
    pub largest: f64,
    /// The utterance with that one.
    pub worst: String,
}

impl Default for Gate {
    /// A twentieth of the step between two of the seven classes.
    fn default() -> Self {
        Self { limit: 0.05 }
    }
}

impl Gate {
    /// A gate that lets a 99th percentile of up to `limit` through.
    ///
    /// # Errors
    /// [`QuantizeError::Setting`] for a limit that is not positive.
    pub fn new(limit: f64) -> Result<Self> {
        if limit > 0.0 && limit.is_finite() {
            return Ok(Self { limit });
        }
        Err(QuantizeError::Setting { key: "gate", reason: format!("expected a number above 0, found {limit}") })
    }

    /// What it lets through at most.
    #[must_use]
    pub fn limit(self) -> f64 {
        self.limit
    }

    /// Decides; `suspects` are the layers that error names, as the user would keep them in `f32`.
    ///
    /// # Errors
    /// [`QuantizeError::Gate`].
    pub fn decide(self, measured: &Measured, suspects: &[String]) -> Result<()> {
        if measured.p99 <= self.limit {
            return Ok(());
        }
        Err(QuantizeError::Gate {
            p99: measured.p99,
            limit: self.limit,
            basis: measured.basis(),
            worst: measured.worst.clone(),
            largest: measured.largest,
            suspects: suspects.iter().map(|name| format!("--keep-float {name}")).collect::<Vec<_>>().join(" "),
        })
    }
}

impl Measured {
    /// Measures `pairs`.
    ///
    /// # Errors
    /// [`QuantizeError::Setting`] without any, and for a valence that is no number.
    pub fn of(pairs: &[Pair]) -> Result<Self> {
        let mut moved: Vec<(f64, &str)> =
            pairs.iter().map(|pair| ((pair.byte - pair.float).abs(), pair.name.as_str())).collect();
        if let Some((_, name)) = moved.iter().find(|(difference, _)| !difference.is_finite()) {
            let reason = format!("{name}: a valence is no number");
            return Err(QuantizeError::Setting { key: "gate", reason });
        }
        moved.sort_by(|a, b| a.0.total_cmp(&b.0));
        let Some((largest, worst)) = moved.last() else {
            return Err(QuantizeError::Setting { key: "gate", reason: "there is no utterance to measure on".into() });
        };
        let utterances = moved.len();
        // The nearest rank, in whole numbers: 0.99 is none in binary.
        let rank = (99 * utterances).div_ceil(100);
        let p99 = moved.get(rank.saturating_sub(1)).map_or(*largest, |(difference, _)| *difference);
        let mean = moved.iter().map(|(difference, _)| difference).sum::<f64>() / utterances as f64;
        Ok(Self { utterances, p99, mean, largest: *largest, worst: (*worst).into() })
    }

    /// What the percentile rests on, for people.
    #[must_use]
    pub fn basis(&self) -> String {
        let n = self.utterances;
        let utterances = if n == 1 { "1 utterance".into() } else { format!("{n} utterances") };
        if n < MANY { format!("{utterances}, so it is their largest") } else { utterances }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Utterances u1, u2, ... that move by 1, 2, ... thousandths, in another order and both directions.
    fn pairs(count: usize) -> Vec<Pair> {
        let pair = |n: usize| {
            let moved = n as f64 / 1000.0;
            Pair { name: format!("u{n}"), float: 1.0, byte: 1.0 + if n.is_multiple_of(2) { moved } else { -moved } }
        };
        (1..=count).rev().map(pair).collect()
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        for (count, rank) in [(1, 1), (10, 10), (99, 99), (100, 99), (101, 100), (200, 198), (1000, 990)] {
            let found = Measured::of(&pairs(count)).unwrap();
            assert!((found.p99 - rank as f64 / 1000.0).abs() < 1e-12, "{count}: {}", found.p99);
            assert!((found.largest - count as f64 / 1000.0).abs() < 1e-12);
            assert!((found.mean - (count + 1) as f64 / 2000.0).abs() < 1e-12);
            assert_eq!(found.worst, format!("u{count}"));
        }
    }

    #[test]
    fn few_utterances_are_told_as_such() {
        let basis = |count| Measured::of(&pairs(count)).unwrap().basis();
        assert_eq!(basis(1), "1 utterance, so it is their largest");
        assert_eq!(basis(10), "10 utterances, so it is their largest");
        assert_eq!(basis(100), "100 utterances");
    }

    #[test]
    fn the_limit_itself_passes_and_more_is_told_with_its_worst() {
        let measured = Measured::of(&pairs(50)).unwrap();
        assert!(Gate::new(measured.p99).unwrap().decide(&measured, &[]).is_ok());
        let told = Gate::new(0.049).unwrap().decide(&measured, &["encoder.layers.3".into()]).unwrap_err().to_string();
        for part in ["p99 of the difference to f32 is 0.0500", "at most 0.049", "u50 with 0.0500", "50 utterances"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(told.contains("--keep-float encoder.layers.3"), "{told}");
    }

    #[test]
    fn limits_and_valences_must_be_numbers() {
        for limit in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Gate::new(limit).is_err(), "{limit}");
        }
        assert!(Measured::of(&[]).is_err());
        assert!(Measured::of(&[Pair { name: "a".into(), float: f64::NAN, byte: 0.0 }]).is_err());
    }
}
