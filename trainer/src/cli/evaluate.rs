//! `mien-train evaluate`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mien_models::bundle::MODES;
use mien_trainer::data::corpus::split_name;
use mien_trainer::evaluate::{Measured, Mode, compare_saved, write_into_bundle};

use super::import::Progress;
use super::output;
use super::protocol::ProtocolOptions;
use super::trained::{Choice, Trained};

/// Measure a trained network: MAE, Corr, Acc-2, F1, Acc-5, Acc-7 in several modes, with 95 % intervals.
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    protocol: ProtocolOptions,
    /// Modes, for example complete,text-missing,no-llm,no-face,noise:0.5,audio+face
    #[arg(long, value_delimiter = ',', value_parser = mode)]
    modes: Vec<Mode>,
    /// Save evaluation.json and predictions.csv in this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Write errors and intervals of every mode of a device into this bundle's manifest
    #[arg(long, value_name = "BUNDLE")]
    bundle: Option<PathBuf>,
    /// Compare two saved evaluations on the same clips instead
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["run", "weights", "data", "out", "bundle"])]
    compare: Option<Vec<PathBuf>>,
    /// A JSON object instead of tables
    #[arg(long)]
    json: bool,
}

fn mode(text: &str) -> Result<Mode, String> {
    text.parse()
}

impl Evaluate {
    pub(crate) fn run(self) -> Result<()> {
        match self.compare.as_deref() {
            Some([a, b]) => self.compared(a, b),
            _ => self.measured(),
        }
    }

    fn measured(&self) -> Result<()> {
        let measuring = self.protocol.measuring(self.modes())?;
        let Trained { source, weights, learner, .. } = self.choice.open(&self.protocol.device)?;
        let progress = Progress::new();
        let mut tell = |split, done, total| progress.tell(split_name(split), done, total);
        let measured = measuring.measure(&source, &learner, &weights, &mut tell);
        progress.end();
        let Measured { evaluation, predictions } = measured?;
        if let Some(out) = &self.out {
            evaluation.save(&predictions, out)?;
        }
        if let Some(bundle) = &self.bundle {
            let modes = write_into_bundle(&evaluation, bundle)?;
            eprintln!("{}: errors and intervals of {modes} modes written", bundle.display());
        }
        if self.json {
            output::json(&evaluation)?;
            return Ok(());
        }
        let protocol = &evaluation.protocol;
        output::line(&format!("{} ({} clips), weights {}", protocol.line(), predictions.ids.len(), protocol.weights))?;
        output::table(&evaluation.table())?;
        if let Some(table) = evaluation.table2("this model") {
            output::line("")?;
            output::table(&table)?;
        }
        output::line(&format!(
            "+-90 %: half the width of a score's 90 % interval, from {}; held: share of clips within it",
            protocol.calibration
        ))?;
        Ok(())
    }

    /// The modes that were asked for; for a bundle every mode of a device as well.
    fn modes(&self) -> Vec<Mode> {
        let mut modes = self.modes.clone();
        if modes.is_empty() {
            modes.extend(Mode::USUAL.iter().map(|(_, mode)| *mode));
        }
        if self.bundle.is_some() {
            modes.extend(MODES.iter().filter_map(|name| name.parse::<Mode>().ok()));
        }
        let mut distinct: Vec<Mode> = Vec::new();
        for mode in modes {
            if !distinct.contains(&mode) {
                distinct.push(mode);
            }
        }
        distinct
    }

    fn compared(&self, a: &std::path::Path, b: &std::path::Path) -> Result<()> {
        let found = compare_saved(a, b, self.protocol.resamples as usize, self.protocol.bootstrap_seed)?;
        if self.json {
            output::json(&found)?;
            return Ok(());
        }
        output::line(&format!(
            "A {}, B {}; B - A with its 95 % interval, {} paired draws",
            a.display(),
            b.display(),
            self.protocol.resamples
        ))?;
        let mut rows = vec![["mode", "measure", "A", "B", "B - A", "interval", "p"].map(str::to_owned).to_vec()];
        for (mode, measures) in &found {
            for (measure, c) in measures {
                rows.push(vec![
                    mode.clone(),
                    measure.name().into(),
                    format!("{:.4}", c.a),
                    format!("{:.4}", c.b),
                    format!("{:+.4}", c.difference),
                    format!("[{:+.4}, {:+.4}]", c.interval.low, c.interval.high),
                    format!("{:.4}", c.p),
                ]);
            }
        }
        output::table(&rows)?;
        Ok(())
    }
}
