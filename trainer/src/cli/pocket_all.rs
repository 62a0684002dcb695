//! `mien-train pocket bundle` and `mien-train pocket all`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use mien_trainer::pocket::corpus::{CorpusSettings, build};
use mien_trainer::pocket::first;

use super::import::Progress;
use super::output::{self, shown};
use super::pocket::clips;
use super::pocket_stage::{Stage, Training};

/// Make the first bundle of the four trained networks; its fusion network has learned nothing yet.
#[derive(Debug, Args)]
pub(crate) struct First {
    /// The corpus that the stages were trained on
    #[arg(long, value_name = "FOLDER")]
    corpus: PathBuf,
    /// Where the stages' folders are
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// The fusion network's first values depend on it
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Make the corpus, train the four networks and make the first bundle, one after the other.
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

impl First {
    pub(crate) fn run(self) -> Result<()> {
        bundle(&self.corpus, &self.out, self.seed)
    }
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
        bundle(&corpus, &self.out, self.seed)
    }
}

fn bundle(corpus: &Path, out: &Path, seed: u64) -> Result<()> {
    let built = first::bundle(corpus, out, seed, &mut |_, _| ())?;
    let bytes: u64 = built.manifest.files.iter().map(|file| file.bytes).sum();
    let folder = built.folder.display();
    output::line(&shown(&format!("{folder}: {:.1} MB, digest {}", bytes as f64 / 1e6, built.digest)))?;
    output::line(&format!("NOTE: {}", built.manifest.statement))
}
