//! `mien-train pocket all`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mien_trainer::pocket::corpus::{CorpusSettings, build};

use super::import::Progress;
use super::output::{self, shown};
use super::pocket::clips;
use super::pocket_fusion::{Fusing, Place};
use super::pocket_stage::{Stage, Training};

/// Make the corpus, train the four networks, then the fusion network on their rows, and make the bundle.
///
/// Started again, the command goes on where it was stopped; what is finished stays as it is.
#[derive(Debug, Args)]
pub(crate) struct All {
    /// Where everything is made: corpus, stages and bundle
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Clips in all, or those of train, valid and test [default: 3000,500,600]
    #[arg(long, value_name = "N|TRAIN,VALID,TEST", value_parser = clips)]
    clips: Option<[usize; 3]>,
    /// Steps of every stage, instead of the pocket bundle's: for trials
    #[arg(long)]
    steps: Option<u64>,
    /// Everything that is drawn depends on it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What computes: cpu, or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
}

impl All {
    pub(crate) fn run(self) -> Result<()> {
        let corpus = self.out.join("corpus");
        let settings = CorpusSettings { seed: self.seed, clips: self.clips.unwrap_or(CorpusSettings::default().clips) };
        let progress = Progress::new();
        let report = build(&settings, &corpus, &|step| progress.tell("made", step.done, step.total));
        progress.end();
        let report = report?;
        let (made, kept) = (report.made, report.kept);
        output::line(&shown(&format!("{}: {made} clips made, {kept} stood already", corpus.display())))?;
        for stage in [Stage::Llama, Stage::Wavlm, Stage::Projector, Stage::Manet] {
            let training = Training {
                corpus: corpus.clone(),
                out: self.out.clone(),
                steps: self.steps,
                seed: self.seed,
                device: self.device.clone(),
            };
            training.run(stage)?;
        }
        let place = Place { corpus, out: self.out, seed: self.seed };
        place.rows()?;
        Fusing { place: place.clone(), device: self.device, plain: false }.run()?;
        place.bundle()?;
        place.check()
    }
}
