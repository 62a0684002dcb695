//! What `mien-train evaluate --out` left: how far every clip's score was off, mode by mode.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// An evaluation of one network on one split.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Evaluated {
    /// Absolute error of every clip, by mode, in the order of the clips.
    pub(super) off: BTreeMap<String, Vec<f64>>,
    /// Labels of the clips, in the same order.
    pub(super) labels: Vec<f64>,
    /// Acc-2 without neutral clips, in percent, by mode.
    pub(super) accuracy: BTreeMap<String, f64>,
}

impl Evaluated {
    /// Reads the evaluation in `folder`.
    ///
    /// # Errors
    /// Files that are missing or hold something else.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("predictions.csv");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut evaluated = Self::of(&text).with_context(|| path.display().to_string())?;
        let path = folder.join("evaluation.json");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let json: serde_json::Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        let modes = json.get("modes").and_then(serde_json::Value::as_array);
        for mode in modes.with_context(|| format!("{}: expected modes", path.display()))? {
            let accuracy = mode.pointer("/metrics/acc2_non0").and_then(serde_json::Value::as_f64);
            if let (Some(name), Some(accuracy)) = (mode.get("mode").and_then(serde_json::Value::as_str), accuracy) {
                evaluated.accuracy.insert(name.into(), 100.0 * accuracy);
            }
        }
        Ok(evaluated)
    }

    /// The table `mode,id,label,prediction`.
    fn of(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        ensure!(lines.next() == Some("mode,id,label,prediction"), "expected the columns mode,id,label,prediction");
        let mut found = Self::default();
        let mut labels: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for line in lines {
            let cells: Vec<&str> = line.split(',').collect();
            let [mode, _, label, prediction] = cells[..] else { anyhow::bail!("expected four cells, found {line:?}") };
            let number = |cell: &str| cell.parse::<f64>().with_context(|| format!("no number in {line:?}"));
            let (label, prediction) = (number(label)?, number(prediction)?);
            labels.entry(mode.into()).or_default().push(label);
            found.off.entry(mode.into()).or_default().push((prediction - label).abs());
        }
        let mut modes = labels.into_values();
        found.labels = modes.next().context("no clips")?;
        ensure!(modes.all(|labels| labels == found.labels), "the modes are not of the same clips");
        Ok(found)
    }

    /// Absolute errors in `mode`.
    ///
    /// # Errors
    /// A mode that was not measured.
    pub(super) fn off(&self, mode: &str) -> Result<&[f64]> {
        self.off.get(mode).map(Vec::as_slice).with_context(|| format!("mode {mode} was not measured"))
    }
}

/// How far off the constant is that is least off: the labels' median.
pub(super) fn best_constant(labels: &[f64]) -> Vec<f64> {
    let mut sorted = labels.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    labels.iter().map(|label| (label - median).abs()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn clips_keep_their_order_in_every_mode() {
        let text = "mode,id,label,prediction\ncomplete,a,1.0,0.5\ncomplete,b,-2,-2.25\nno-llm,a,1.0,2\nno-llm,b,-2,1\n";
        let found = Evaluated::of(text).unwrap();
        assert_eq!(found.labels, [1.0, -2.0]);
        assert_eq!(found.off("complete").unwrap(), [0.5, 0.25]);
        assert_eq!(found.off("no-llm").unwrap(), [1.0, 3.0]);
        assert!(found.off("noise").is_err());
        let other = text.replace("no-llm,b,-2", "no-llm,b,-1");
        assert!(Evaluated::of(&other).unwrap_err().to_string().contains("same clips"));
    }

    #[test]
    fn no_constant_is_less_off_than_the_best() {
        let labels = [-1.0, 0.5, 0.7, 3.0, 2.0, -0.2];
        let sum = |constant: f64| labels.iter().map(|l| (l - constant).abs()).sum::<f64>();
        let best = best_constant(&labels).iter().sum::<f64>();
        assert!((-30..=30).all(|n| best <= sum(f64::from(n) / 10.0) + 1e-12));
    }
}
