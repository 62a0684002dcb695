//! `mien-train export`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mien_models::bundle::Sha256;
use mien_trainer::data::{Batch, Source, Split};
use mien_trainer::export::{self, TOLERANCE, agreement};
use serde_json::json;

use super::import::Progress;
use super::label::LabelArgs;
use super::output;
use super::trained::{Choice, Trained};

/// Make a bundle that a device runs, from a trained network and the bundle whose encoders made its features.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    choice: Choice,
    /// The bundle whose encoders, language model and face detector are taken
    #[arg(long, value_name = "BUNDLE")]
    base: PathBuf,
    /// The folder to make; a bundle that is there is kept as FOLDER.previous
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    label: LabelArgs,
    /// Under which terms the trained weights may be passed on
    #[arg(long, value_name = "SPDX", default_value = "not stated")]
    licence: String,
    /// Clips of the validation split on which the device's score is held against the trainer's, in every mode
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    check_clips: u32,
    /// What computes the trainer's scores: cpu, or cuda:N
    #[arg(long, default_value = "cpu")]
    device: String,
    /// A JSON object instead of lines
    #[arg(long)]
    json: bool,
}

impl Export {
    pub(crate) fn run(self) -> Result<()> {
        let Trained { experiment, source, weights, seed, learner } = self.choice.open(&self.device)?;
        let digest = Sha256::of_file(&weights)?.1;
        let origin = format!(
            "trained by mien-train {} on corpus {}, seed {seed}, weights sha256 {digest}",
            env!("CARGO_PKG_VERSION"),
            source.digest()
        );
        let trained = export::Trained {
            network: &experiment.network,
            weights: &weights,
            source: &origin,
            licence: &self.licence,
        };
        let label = self.label.label();
        let mut model = |batch: &Batch, text_missing: bool| learner.valences(batch, text_missing);
        let progress = Progress::new();
        let made = export::export(&self.base, &self.out, &trained, &label, &mut |fusion, modes| {
            let most = self.check_clips as usize;
            agreement(&source, Split::Valid, most, modes, fusion, &mut model, &mut |done, total| {
                progress.tell("check", done, total);
            })
        });
        progress.end();
        let made = made?;
        let largest = made.agreement.worst.as_ref().map_or(0.0, export::Difference::size);
        if self.json {
            return output::json(&json!({
                "folder": made.folder, "digest": made.digest, "trained": made.trained, "statement": made.statement,
                "checked": { "clips": made.agreement.clips, "modes": made.agreement.modes, "largest": largest },
                "caution": export::caution(&experiment.network),
            }));
        }
        output::line(&format!("{}  {}", made.digest, made.folder.display()))?;
        output::line(&format!(
            "device = trainer on {} clips in {} modes: largest difference {largest:.1e}, {TOLERANCE:.0e} allowed",
            made.agreement.clips, made.agreement.modes
        ))?;
        let statement = Some(made.statement.as_str()).filter(|s| !s.is_empty());
        for note in [statement, export::caution(&experiment.network)].into_iter().flatten() {
            output::line(&format!("NOTE: {note}"))?;
        }
        output::line("errors and intervals are not in it yet: `mien-train evaluate RUN --bundle FOLDER` writes them")
    }
}
