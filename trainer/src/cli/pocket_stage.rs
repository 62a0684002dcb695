//! `mien-train pocket llama | wavlm | projector | manet`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mien_trainer::course::{Pace, Told};
use mien_trainer::pocket::hearing::{self, HearingSettings};
use mien_trainer::pocket::language::{self, LanguageSettings};
use mien_trainer::pocket::projection::{self, ProjectionSettings};
use mien_trainer::pocket::seeing::{self, SeeingSettings};
use mien_trainer::train::device;

use super::course::{self, Teller};

/// Which network is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Llama,
    Wavlm,
    Projector,
    Manet,
}

/// Options of a stage. Started again, a stage goes on where it was stopped and ends in the same bits.
#[derive(Debug, Args)]
pub(crate) struct Training {
    /// The corpus: a folder of `mien-train pocket corpus`
    #[arg(long, value_name = "FOLDER")]
    pub(crate) corpus: PathBuf,
    /// Where the stages' folders are; equal for all stages
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// Steps in all, instead of the pocket bundle's
    #[arg(long)]
    pub(crate) steps: Option<u64>,
    /// First values and everything that is drawn depend on it
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// What computes: cpu, or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub(crate) device: String,
}

impl Training {
    pub(crate) fn run(self, stage: Stage) -> Result<()> {
        let device = device(&self.device)?;
        let teller = Teller::new();
        let tell = |told: Told| teller.hear(told);
        let (corpus, out) = (&self.corpus, &self.out);
        let pace = |pace: Pace| Pace { seed: self.seed, steps: self.steps.unwrap_or(pace.steps), ..pace };
        let finished = match stage {
            Stage::Llama => {
                let settings = LanguageSettings::default();
                let settings = LanguageSettings { pace: pace(settings.pace), ..settings };
                language::train(corpus, out, &settings, &device, &tell)
            }
            Stage::Wavlm => {
                let settings = HearingSettings::default();
                let settings = HearingSettings { pace: pace(settings.pace), ..settings };
                hearing::train(corpus, out, &settings, &device, &tell)
            }
            Stage::Projector => {
                let settings = ProjectionSettings::default();
                let settings = ProjectionSettings { pace: pace(settings.pace), ..settings };
                projection::train(corpus, out, &settings, &device, &tell)
            }
            Stage::Manet => {
                let settings = SeeingSettings::default();
                let settings = SeeingSettings { pace: pace(settings.pace), ..settings };
                seeing::train(corpus, out, &settings, &device, &tell)
            }
        };
        teller.end();
        let finished = finished?;
        course::tell_finished(&self.out.join(&finished.stage), &finished)
    }
}
