//! `mien-train pocket`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use mien_trainer::pocket::corpus::{self, CorpusSettings, Whole, build};

use super::import::Progress;
use super::output::{self, shown};
use super::pocket_all::All;
use super::pocket_fusion::{Fusing, Place};
use super::pocket_stage::{Stage, Training};

/// Make the pocket world: synthetic clips for trials of the whole method, not of people.
#[derive(Debug, Args)]
pub(crate) struct Pocket {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Corpus(Corpus),
    Verify(Verify),
    /// Train the small language model: the grammar's sentences, and to repeat what it hears.
    Llama(Training),
    /// Train the small WavLM: which words are said (CTC), and the mood of the voice.
    Wavlm(Training),
    /// Train the projector between both; the stages wavlm and llama must be finished.
    Projector(Training),
    /// Train the small MA-Net: the mood of faces.
    Manet(Training),
    /// Take every clip through the first bundle, made of the four networks: rows to learn from, as a feature store.
    Rows(Place),
    /// Train the fusion network on the rows.
    Fusion(Fusing),
    /// Make the bundle that a device takes, and measure it on the test split.
    Bundle(Place),
    /// Score the test split with the bundle as a device does, and hold that against the trainer.
    Check(Place),
    All(All),
}

/// Make clips of spoken sentences (espeak-ng) and drawn faces, with a list that extract takes.
///
/// Started again, the command goes on where it was stopped, and makes anew what was changed or lost.
#[derive(Debug, Args)]
struct Corpus {
    /// The corpus' folder; a new one, or one in which the same corpus was begun
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Clips in all, or those of train, valid and test [default: 3000,500,600]
    #[arg(long, value_name = "N|TRAIN,VALID,TEST", value_parser = clips)]
    clips: Option<[usize; 3]>,
    /// Everything that is drawn depends on it
    #[arg(long, default_value_t = CorpusSettings::default().seed)]
    seed: u64,
}

/// Hold a corpus against its digests: the first file that was changed, is missing or is foreign ends it.
#[derive(Debug, Args)]
struct Verify {
    /// The corpus' folder
    folder: PathBuf,
}

/// Clips in all or of each split, as a user writes them.
pub(crate) fn clips(text: &str) -> Result<[usize; 3], String> {
    let numbers: Result<Vec<usize>, _> = text.split(',').map(|n| n.trim().parse()).collect();
    let wrong = || format!("expected a whole number, or three for TRAIN,VALID,TEST, found {text:?}");
    match numbers.map_err(|_| wrong())?[..] {
        [total] => CorpusSettings::clips_of(total).map_err(|e| e.to_string()),
        [train, valid, test] => Ok([train, valid, test]),
        _ => Err(wrong()),
    }
}

impl Pocket {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Command::Corpus(command) => command.run(),
            Command::Verify(command) => command.run(),
            Command::Llama(training) => training.run(Stage::Llama),
            Command::Wavlm(training) => training.run(Stage::Wavlm),
            Command::Projector(training) => training.run(Stage::Projector),
            Command::Manet(training) => training.run(Stage::Manet),
            Command::Rows(place) => place.rows().map(drop),
            Command::Fusion(command) => command.run(),
            Command::Bundle(place) => place.bundle(),
            Command::Check(place) => place.check(),
            Command::All(command) => command.run(),
        }
    }
}

impl Corpus {
    fn run(self) -> Result<()> {
        let default = CorpusSettings::default();
        let settings = CorpusSettings { seed: self.seed, clips: self.clips.unwrap_or(default.clips) };
        let progress = Progress::new();
        let report = build(&settings, &self.out, &|step| progress.tell("made", step.done, step.total));
        progress.end();
        let report = report?;
        let out = self.out.display();
        output::line(&shown(&format!("{out}: {} clips made, {} stood already", report.made, report.kept)))?;
        tell(&report.whole)?;
        let list = self.out.join(corpus::LIST);
        output::line(&shown(&format!("next: mien-train extract {} --out ROWS --bundle BUNDLE", list.display())))
    }
}

impl Verify {
    fn run(self) -> Result<()> {
        let whole = corpus::verify(&self.folder)?;
        output::line(&shown(&format!("{}: every file is as it was made", self.folder.display())))?;
        tell(&whole)
    }
}

fn tell(whole: &Whole) -> Result<()> {
    for (name, split) in &whole.splits {
        output::line(&format!(
            "{name:5}  {} clips ({} contradicting), {} voices, {} faces, {:.1} min",
            split.clips,
            split.contradicting,
            split.speakers,
            split.identities,
            split.seconds / 60.0
        ))?;
    }
    output::line(&format!("{} pictures, {:.1} MB", whole.pictures, whole.bytes as f64 / 1e6))?;
    output::line(&format!("espeak-ng {}, seed {}, sha256 {}", whole.made_by.espeak, whole.made_by.seed, whole.digest))
}
