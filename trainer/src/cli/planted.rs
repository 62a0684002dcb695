//! `mien-train planted`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use mien_trainer::data::import::{ImportSettings, Step, counts_text, import};
use mien_trainer::data::planted::{PlantedCorpus, PlantedSettings};

use super::import::Progress;
use super::output;

/// Make a synthetic corpus with planted structure, as a feature store: for trials of the method, not of people.
#[derive(Debug, Args)]
pub(crate) struct Planted {
    /// The store's folder; a new one
    #[arg(long, value_name = "STORE")]
    out: PathBuf,
    /// Everything that is drawn depends on it
    #[arg(long, default_value_t = PlantedSettings::default().seed)]
    seed: u64,
    /// Clips of train, valid and test [default: 600,600,200]
    #[arg(long, value_name = "TRAIN,VALID,TEST", value_parser = clips)]
    clips: Option<[usize; 3]>,
}

fn clips(text: &str) -> Result<[usize; 3], String> {
    let numbers: Result<Vec<usize>, _> = text.split(',').map(|n| n.trim().parse()).collect();
    let numbers = numbers.ok().and_then(|numbers| numbers.try_into().ok());
    numbers.ok_or_else(|| format!("expected three whole numbers, TRAIN,VALID,TEST, found {text:?}"))
}

impl Planted {
    pub(crate) fn run(self) -> Result<()> {
        let default = PlantedSettings::default();
        let settings = PlantedSettings { seed: self.seed, clips: self.clips.unwrap_or(default.clips) };
        let corpus = PlantedCorpus::new(settings)?;
        let progress = Progress::new();
        let index = import(&corpus, &self.out, &ImportSettings::default(), &|step| {
            if let Step::Written(done, total) = step {
                progress.tell("written", done, total);
            }
        });
        progress.end();
        let index = index?;
        output::line(&format!("{}: {}, {}", self.out.display(), index.origin, counts_text(&index)))?;
        for remark in &index.remarks {
            output::line(remark)?;
        }
        Ok(())
    }
}
