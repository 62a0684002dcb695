//! `mien-train evaluate`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mien_models::bundle::{MODES, Sha256};
use mien_models::fusion::Padding;
use mien_trainer::data::corpus::{SPLITS, split_name};
use mien_trainer::data::{Source, Split};
use mien_trainer::evaluate::{Evaluation, Mode, Protocol, compare_saved, predict, write_into_bundle};

use super::fault::Fault;
use super::import::Progress;
use super::output;
use super::trained::{Choice, Trained};

/// Measure a trained network: MAE, Corr, Acc-2, F1, Acc-5, Acc-7 in several modes, with 95 % intervals.
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    #[command(flatten)]
    choice: Choice,
    /// The split that is measured
    #[arg(long, default_value = "test", value_parser = split)]
    split: Split,
    /// The split that the 90 % intervals of scores come from; it must not be the one that is measured
    #[arg(long, default_value = "valid", value_parser = split)]
    calibrate: Split,
    /// Modes, for example complete,text-missing,no-llm,no-face,noise:0.5,audio+face
    #[arg(long, value_delimiter = ',', value_parser = mode)]
    modes: Vec<Mode>,
    /// Clips per batch, in the order of the corpus; counts with reference padding alone
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=65536))]
    batch: u32,
    /// Draws of the bootstrap
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    resamples: u32,
    /// Seed of the bootstrap
    #[arg(long, default_value_t = 1)]
    bootstrap_seed: u64,
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

fn split(text: &str) -> Result<Split, String> {
    let found = SPLITS.into_iter().find(|split| split_name(*split) == text);
    found.ok_or_else(|| format!("expected train, valid or test, found {text:?}"))
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
        if self.split == self.calibrate {
            let text = "--calibrate: intervals made from the split that they are measured on promise nothing; name another \
                        split";
            return Err(Fault::usage(text).into());
        }
        let Trained { experiment, source, weights, learner, .. } = self.choice.open()?;
        let mut model = |batch: &mien_trainer::data::Batch, text_missing: bool| {
            let [complete, missing] = learner.valences(batch)?;
            Ok(if text_missing { missing } else { complete })
        };
        let modes = self.modes();
        let progress = Progress::new();
        let batch = self.batch as usize;
        let mut asked = |split: Split| {
            let name = split_name(split);
            predict(&source, split, &modes, batch, &mut model, &mut |done, total| progress.tell(name, done, total))
        };
        let (calibration, predictions) = (asked(self.calibrate), asked(self.split));
        progress.end();
        let (calibration, predictions) = (calibration?, predictions?);
        let protocol = Protocol {
            created_by: concat!("mien-train ", env!("CARGO_PKG_VERSION")).into(),
            corpus: source.name().into(),
            corpus_digest: source.digest().into(),
            split: split_name(self.split).into(),
            weights: weights.display().to_string(),
            weights_sha256: Sha256::of_file(&weights)?.1.to_string(),
            padding: match experiment.network.padding {
                Padding::Masked => "masked".into(),
                Padding::Reference => "reference".into(),
            },
            batch,
            resamples: self.resamples as usize,
            seed: self.bootstrap_seed,
            calibration: format!("{}, {} clips", split_name(self.calibrate), calibration.ids.len()),
        };
        let evaluation = Evaluation::of(protocol, &predictions, Some(&calibration))?;
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
        let found = compare_saved(a, b, self.resamples as usize, self.bootstrap_seed)?;
        if self.json {
            output::json(&found)?;
            return Ok(());
        }
        output::line(&format!(
            "A {}, B {}; B - A with its 95 % interval, {} paired draws",
            a.display(),
            b.display(),
            self.resamples
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
