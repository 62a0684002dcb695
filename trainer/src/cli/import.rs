//! `mien-train import`.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use mien_trainer::data::authors::{AuthorsCorpus, AuthorsPlaces};
use mien_trainer::data::corpus::{Corpus, Modality};
use mien_trainer::data::import::{ImportSettings, NonFinite, Step, counts_text, import};
use mien_trainer::data::mmsa::MmsaCorpus;
use mien_trainer::data::mosei::Folds;
use mien_trainer::data::plain::PlainCorpus;
use mien_trainer::data::store::RowType;

use super::fault::Fault;
use super::output;

/// Import a corpus into a feature store, which training and evaluation read.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The corpus: the root of the authors' or the plain layout, or an MMSA pickle
    corpus: PathBuf,
    /// The store's folder; a new one
    #[arg(long, value_name = "STORE")]
    out: PathBuf,
    /// How the corpus is laid out [default: a file is an MMSA pickle, a folder with clips.csv is plain]
    #[arg(long, value_enum)]
    layout: Option<Layout>,
    /// Type of the stored rows: f16 takes half of the disk
    #[arg(long, value_name = "f16|f32", default_value = "f16")]
    rows: RowType,
    /// Splits by video from the SDK's Python file of folds, or a folder with train.txt, valid.txt, test.txt
    #[arg(long, value_name = "PATH")]
    folds: Option<PathBuf>,
    /// Keep the authors' list of long clips in train
    #[arg(long)]
    keep_long_clips: bool,
    /// Leave clips out whose features are missing
    #[arg(long)]
    skip_missing: bool,
    /// Let one zero row stand in for an empty sequence
    #[arg(long)]
    zero_row_for_empty: bool,
    /// NaN and infinities in rows: an error, or 0 in their place, counted for each split and modality
    #[arg(long, value_name = "error|zero", default_value = "error")]
    non_finite: NonFinite,
    /// Authors' layout: the label archive, if it lies elsewhere
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Authors' layout: the table of transcripts, if it lies elsewhere
    #[arg(long, value_name = "FILE")]
    transcripts: Option<PathBuf>,
    /// Authors' layout: a feature folder that lies elsewhere; for audio, text, simulated or video
    #[arg(long = "features", value_name = "MODALITY=FOLDER", value_parser = feature)]
    features: Vec<(Modality, PathBuf)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layout {
    /// Folders of .npy files, label_official.npz, a table of transcripts
    Authors,
    /// aligned_50.pkl or unaligned_50.pkl
    Mmsa,
    /// clips.csv and a folder of .npy files for each modality
    Plain,
}

fn feature(text: &str) -> Result<(Modality, PathBuf), String> {
    let (modality, folder) = text.split_once('=').ok_or_else(|| format!("expected MODALITY=FOLDER, found {text:?}"))?;
    Ok((modality.parse()?, folder.into()))
}

impl Import {
    pub(crate) fn run(self) -> Result<()> {
        let corpus = self.open()?;
        let settings = ImportSettings {
            rows: self.rows,
            folds: self.folds.as_deref().map(Folds::read).transpose()?,
            without_long_clips: !self.keep_long_clips,
            skip_missing: self.skip_missing,
            zero_row_for_empty: self.zero_row_for_empty,
            non_finite: self.non_finite,
        };
        let progress = Progress::new();
        let index = import(corpus.as_ref(), &self.out, &settings, &|step| match step {
            Step::Surveyed(done, total) => progress.tell("sizes read", done, total),
            Step::Written(done, total) => progress.tell("written", done, total),
        });
        progress.end();
        let index = index?;
        output::line(&format!("{}: {}", self.out.display(), counts_text(&index)))?;
        for (modality, entry) in &index.modalities {
            output::line(&format!(
                "{modality:<10} {} numbers a row, {} ({})",
                entry.width, index.rows, entry.features
            ))?;
        }
        for remark in &index.remarks {
            output::line(remark)?;
        }
        Ok(())
    }

    fn open(&self) -> Result<Box<dyn Corpus>> {
        let layout = self.layout.unwrap_or_else(|| guessed(&self.corpus));
        if layout != Layout::Authors
            && (self.labels.is_some() || self.transcripts.is_some() || !self.features.is_empty())
        {
            let text = "--labels, --transcripts and --features belong to the authors' layout; add --layout authors";
            return Err(Fault::usage(text).into());
        }
        Ok(match layout {
            Layout::Mmsa => Box::new(MmsaCorpus::open(&self.corpus)?),
            Layout::Plain => Box::new(PlainCorpus::open(&self.corpus)?),
            Layout::Authors => {
                let mut places = AuthorsPlaces::published(&self.corpus);
                if let Some(labels) = &self.labels {
                    places.labels.clone_from(labels);
                }
                if self.transcripts.is_some() {
                    places.transcripts.clone_from(&self.transcripts);
                }
                places.features.extend(self.features.iter().cloned());
                Box::new(AuthorsCorpus::open(&places)?)
            }
        })
    }
}

fn guessed(corpus: &Path) -> Layout {
    if corpus.is_file() {
        Layout::Mmsa
    } else if corpus.join("clips.csv").is_file() {
        Layout::Plain
    } else {
        Layout::Authors
    }
}

/// One line on a terminal that is written over; nothing where stderr is no terminal.
pub(crate) struct Progress {
    shown: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal() }
    }

    pub(crate) fn tell(&self, what: &str, done: usize, total: usize) {
        if self.shown {
            let share = 100 * done / total.max(1);
            let bar = "=".repeat(share / 4);
            let _ = write!(std::io::stderr(), "\r{what:<12} [{bar:<25}] {share:>3} % ({done} of {total})\x1b[K");
        }
    }

    pub(crate) fn end(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
