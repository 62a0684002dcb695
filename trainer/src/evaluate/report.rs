//! What an evaluation says, as an object, as tables, and as files.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bootstrap::{Comparison, Interval, compare, intervals};
use super::conformal::{coverage, half_width};
use super::metrics::{Measure, Metrics};
use super::mode::Mode;
use super::run::Predictions;
use crate::{Result, TrainerError, reading};

/// Names of the files that an evaluation leaves in its folder.
pub const EVALUATION_FILE: &str = "evaluation.json";
/// One line for each clip and mode.
pub const PREDICTIONS_FILE: &str = "predictions.csv";
/// Longest table of predictions that is read: a hundred modes of MOSEI's test split take 25 MB.
const LONGEST_PREDICTIONS: u64 = 256 << 20;

/// Under which conditions numbers were made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Protocol {
    /// The program.
    pub created_by: String,
    /// The corpus.
    pub corpus: String,
    /// Its digest.
    pub corpus_digest: String,
    /// The split that the numbers are of.
    pub split: String,
    /// The weights' file.
    pub weights: String,
    /// Its SHA-256.
    pub weights_sha256: String,
    /// `masked` or `reference`.
    pub padding: String,
    /// Clips per batch, in the order of the corpus.
    pub batch: usize,
    /// Draws of the bootstrap.
    pub resamples: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// Where the intervals of scores come from.
    pub calibration: String,
}

impl Protocol {
    /// In one line, for a bundle's manifest.
    pub fn line(&self) -> String {
        format!("{} {}, {} padding, batch {}", self.corpus, self.split, self.padding, self.batch)
    }
}

/// The numbers of one mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModeResult {
    /// The mode's name.
    pub mode: String,
    /// Its name in a bundle's manifest, where a device can be in it.
    pub device_mode: Option<String>,
    /// All measures.
    pub metrics: Metrics,
    /// 95 % bootstrap intervals of the measures.
    pub intervals: BTreeMap<Measure, Interval>,
    /// Half the width of a score's 90 % interval, from the calibration split.
    pub interval90: Option<f64>,
    /// Share of this split's clips that lie in such an interval.
    pub covered90: Option<f64>,
}

/// How much worse the model is without the transcript (the gap columns of the paper's Table II); positive is worse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// MAE without text minus MAE with text.
    pub mae: f64,
    /// Acc-2 (non0) with text minus without, in percent points.
    pub acc2: Option<f64>,
}

/// A finished evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// How it was made.
    pub protocol: Protocol,
    /// By mode, in the order asked for.
    pub modes: Vec<ModeResult>,
    /// With text against without, where both were asked for.
    pub gap: Option<Gap>,
}

impl Evaluation {
    /// Measures `predictions`; `calibration` are predictions on another split, for the intervals of scores.
    ///
    /// # Errors
    /// Corpus when there are no clips.
    pub fn of(protocol: Protocol, predictions: &Predictions, calibration: Option<&Predictions>) -> Result<Self> {
        let mut modes = Vec::new();
        for (mode, _) in &predictions.modes {
            let pairs = predictions.pairs(*mode);
            let metrics = Metrics::of(&pairs)
                .ok_or_else(|| TrainerError::corpus(&protocol.corpus, format!("{} has no clips", protocol.split)))?;
            let interval90 = calibration.and_then(|c| half_width(&c.pairs(*mode), 90));
            modes.push(ModeResult {
                mode: mode.to_string(),
                device_mode: mode.device_name(),
                metrics,
                intervals: intervals(&pairs, protocol.resamples, protocol.seed),
                interval90,
                covered90: interval90.and_then(|half| coverage(&pairs, half)),
            });
        }
        let find = |mode: Mode| modes.iter().find(|m: &&ModeResult| m.mode == mode.to_string()).map(|m| &m.metrics);
        let gap = find(Mode::COMPLETE).zip(find(Mode::TEXT_MISSING)).map(|(with, without)| Gap {
            mae: without.mae - with.mae,
            acc2: with.acc2_non0.zip(without.acc2_non0).map(|(with, without)| 100.0 * (with - without)),
        });
        Ok(Self { protocol, modes, gap })
    }

    /// The measures with their intervals: one row for each mode. Four decimals, as MMSA prints them.
    pub fn table(&self) -> Vec<Vec<String>> {
        let shown = [
            Measure::Mae,
            Measure::Corr,
            Measure::Acc2Has0,
            Measure::F1Has0,
            Measure::Acc2Non0,
            Measure::F1Non0,
            Measure::Acc5,
            Measure::Acc7,
        ];
        let mut head = vec!["mode".to_owned()];
        head.extend(shown.iter().map(|m| m.name().to_owned()));
        head.extend(["+-90 %".to_owned(), "held".to_owned()]);
        let mut rows = vec![head];
        for result in &self.modes {
            let mut row = vec![result.mode.clone()];
            row.extend(shown.iter().map(|m| match (result.metrics.get(*m), result.intervals.get(m)) {
                (Some(value), Some(i)) => format!("{value:.4} [{:.4}, {:.4}]", i.low, i.high),
                (Some(value), None) => format!("{value:.4}"),
                (None, _) => "-".into(),
            }));
            let optional = |v: Option<f64>| v.map_or("-".into(), |v| format!("{v:.4}"));
            row.extend([optional(result.interval90), optional(result.covered90)]);
            rows.push(row);
        }
        rows
    }

    /// The columns of the paper's Table II: MAE and accuracy in percent with and without text, and the gaps.
    pub fn table2(&self, name: &str) -> Option<Vec<Vec<String>>> {
        let find = |mode: Mode| self.modes.iter().find(|m| m.mode == mode.to_string());
        let (with, without) = (find(Mode::COMPLETE)?, find(Mode::TEXT_MISSING)?);
        let gap = self.gap?;
        let percent = |v: Option<f64>| v.map_or("-".into(), |v| format!("{:.2}", 100.0 * v));
        let head = ["model", "with text MAE", "ACC", "w/o text MAE", "ACC", "dMAE", "dACC"];
        Some(vec![
            head.map(str::to_owned).into(),
            vec![
                name.to_owned(),
                format!("{:.4}", with.metrics.mae),
                percent(with.metrics.acc2_non0),
                format!("{:.4}", without.metrics.mae),
                percent(without.metrics.acc2_non0),
                format!("{:.4}", gap.mae),
                gap.acc2.map_or("-".into(), |v| format!("{v:.2}")),
            ],
        ])
    }

    /// Writes `evaluation.json` (full precision) and `predictions.csv` into `folder`, each whole or not at all.
    ///
    /// # Errors
    /// Io.
    pub fn save(&self, predictions: &Predictions, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|e| TrainerError::io(folder, "create", e))?;
        let path = folder.join(PREDICTIONS_FILE);
        let mut table = csv::Writer::from_writer(Vec::new());
        let failed = |e: csv::Error| TrainerError::io(&path, "write", e.into());
        table.write_record(["mode", "id", "label", "prediction"]).map_err(failed)?;
        for (mode, valences) in &predictions.modes {
            for ((id, label), valence) in predictions.ids.iter().zip(&predictions.labels).zip(valences) {
                let cells = [&mode.to_string(), id, &label.to_string(), &valence.to_string()];
                table.write_record(cells).map_err(failed)?;
            }
        }
        let table = table.into_inner().map_err(|e| TrainerError::io(&path, "write", e.into_error()))?;
        write_whole(&path, &table)?;
        let path = folder.join(EVALUATION_FILE);
        let mut json = serde_json::to_vec_pretty(self).map_err(|e| TrainerError::io(&path, "write", e.into()))?;
        json.push(b'\n');
        write_whole(&path, &json)
    }
}

/// Writes a file beside its place and renames it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e| TrainerError::io(path, "write", e);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writing-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Compares two saved evaluations, mode by mode, on the clips that both predicted.
///
/// # Errors
/// Io; Format for a table that is not as [`Evaluation::save`] writes it; Corpus when the two are not of the same clips
/// and labels, or share no mode.
pub fn compare_saved(
    a: &Path,
    b: &Path,
    resamples: usize,
    seed: u64,
) -> Result<BTreeMap<String, BTreeMap<Measure, Comparison>>> {
    let (first, mut second) = (saved(a)?, saved(b)?);
    let mut all = BTreeMap::new();
    let refuse = |reason: String| TrainerError::corpus(format!("{} and {}", a.display(), b.display()), reason);
    for (mode, clips) in first {
        let Some(mut others) = second.remove(&mode) else { continue };
        if others.len() != clips.len() {
            return Err(refuse(format!(
                "mode {mode} has {} clips in one and {} in the other",
                clips.len(),
                others.len()
            )));
        }
        let mut triples = Vec::with_capacity(clips.len());
        for (id, (label, valence)) in clips {
            match others.remove(&id) {
                Some((same, other)) if same == label => triples.push((valence, other, label)),
                Some((other, _)) => return Err(refuse(format!("clip {id} has the labels {label} and {other}"))),
                None => return Err(refuse(format!("mode {mode}: clip {id} is in the first alone"))),
            }
        }
        all.insert(mode, compare(&triples, resamples, seed));
    }
    if all.is_empty() {
        return Err(refuse("they share no mode; evaluate both in the same modes".into()));
    }
    Ok(all)
}

/// Label and valence by mode and id.
pub(crate) type Saved = BTreeMap<String, BTreeMap<String, (f64, f64)>>;

/// Labels and predictions of the evaluation that [`Evaluation::save`] left in `folder`.
///
/// # Errors
/// Io; Format for a table that is not as it is written.
pub(crate) fn saved(folder: &Path) -> Result<Saved> {
    let path = folder.join(PREDICTIONS_FILE);
    let bytes = reading::bytes(&path, LONGEST_PREDICTIONS)?;
    let refuse = |reason: String| TrainerError::Format {
        path: path.clone(),
        format: "predictions (.csv)",
        reason,
        fix: "give the folders of two evaluations made by mien-train evaluate --out",
    };
    let mut table = csv::Reader::from_reader(bytes.as_slice());
    if table.headers().map_err(|e| refuse(e.to_string()))? != ["mode", "id", "label", "prediction"].as_slice() {
        return Err(refuse("expected the columns mode, id, label, prediction".into()));
    }
    let mut all = Saved::new();
    for (line, row) in table.records().enumerate() {
        let row = row.map_err(|e| refuse(e.to_string()))?;
        let number = |at: usize| row.get(at).and_then(|cell| cell.parse().ok()).filter(|v: &f64| v.is_finite());
        let (Some(mode), Some(id), Some(label), Some(valence)) = (row.get(0), row.get(1), number(2), number(3)) else {
            return Err(refuse(format!("row {} holds no label and prediction", line + 1)));
        };
        if all.entry(mode.into()).or_default().insert(id.into(), (label, valence)).is_some() {
            return Err(refuse(format!("row {}: clip {id} comes twice in mode {mode}", line + 1)));
        }
    }
    Ok(all)
}
