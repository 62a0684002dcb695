//! `mien-train pocket llama | wavlm | projector | manet`.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use mien_trainer::pocket::hearing::{self, HearingSettings};
use mien_trainer::pocket::language::{self, LanguageSettings};
use mien_trainer::pocket::projection::{self, ProjectionSettings};
use mien_trainer::pocket::seeing::{self, SeeingSettings};
use mien_trainer::pocket::stage::{Finished, Measures, Pace, Told};
use mien_trainer::train::device;

use super::import::Progress;
use super::output::{self, shown};

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
        self.print(&finished?)
    }

    fn print(&self, finished: &Finished) -> Result<()> {
        let folder = self.out.join(&finished.stage);
        output::line(&shown(&format!("{}: {}", folder.display(), measures_text(&finished.valid))))?;
        for (name, sha256) in &finished.files {
            output::line(&shown(&format!("{sha256}  {}", folder.join(name).display())))?;
        }
        Ok(())
    }
}

/// Says on a terminal how far a stage is, and everywhere what is measured.
struct Teller {
    progress: Progress,
    /// When the first and the last step since the last measure ended, and how many lie between.
    stretch: Mutex<Option<(Instant, Instant, u32)>>,
}

impl Teller {
    fn new() -> Self {
        Self { progress: Progress::new(), stretch: Mutex::new(None) }
    }

    fn hear(&self, told: Told) {
        let Ok(mut stretch) = self.stretch.lock() else { return };
        match told {
            Told::Prepares { what, done, total, .. } => self.progress.tell(what, done, total),
            Told::Step { stage, step, steps, .. } => {
                let now = Instant::now();
                *stretch = Some(match *stretch {
                    None => (now, now, 0),
                    Some((first, _, between)) => (first, now, between + 1),
                });
                self.progress.tell(stage, step as usize, steps as usize);
            }
            Told::Measured { stage, step, steps, loss, valid } => {
                self.progress.end();
                let loss = loss.map_or(String::new(), |loss| format!("  loss {loss:.4}"));
                let time = match stretch.take() {
                    Some((first, last, between)) if between > 0 => {
                        format!("  {:.0} ms a step", (last - first).as_secs_f64() * 1e3 / f64::from(between))
                    }
                    _ => String::new(),
                };
                // A reader that has gone ends nothing.
                let _ = output::line(&format!("{stage} {step}/{steps}{loss}  {}{time}", measures_text(&valid)));
            }
        }
    }

    fn end(&self) {
        self.progress.end();
    }
}

fn measures_text(measures: &Measures) -> String {
    let texts: Vec<String> = measures.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
    texts.join("  ")
}
