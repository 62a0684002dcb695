//! Runs as a report finds them: experiment, result, curves and weights in their folders.

use std::path::{Path, PathBuf};

use mien_models::fusion::Mia;

use super::curves::Curves;
use crate::data::Source;
use crate::train::{Experiment, RunLog, Summary, WEIGHTS_FILE, result, saved, seed_folder};
use crate::{Result, TrainerError};

/// Most runs on one page: each has a letter.
pub const MOST_RUNS: usize = 26;

/// A finished run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its letter on the page and in pictures: A, B, ...
    pub letter: char,
    /// Its folder.
    pub folder: PathBuf,
    /// What it was trained by.
    pub experiment: Experiment,
    /// What it came to on the validation split.
    pub summary: Summary,
    /// Its curves, by seed, in the order of the summary.
    pub curves: Vec<Curves>,
}

impl Run {
    /// Reads the finished run in `folder`.
    ///
    /// # Errors
    /// Run when there is none, when it has not ended, or when result, experiment and log do not belong together;
    /// Setting for a damaged experiment; Format for a damaged log; Io.
    pub fn open(folder: &Path, letter: char) -> Result<Self> {
        let (experiment, summary) = (saved(folder)?, result(folder)?);
        let seeds: Vec<u64> = summary.runs.iter().map(|run| run.seed).collect();
        if seeds != experiment.training.seeds {
            let reason = format!(
                "its result is of the seeds {seeds:?}, its experiment of {:?}; put the files of one run together",
                experiment.training.seeds
            );
            return Err(TrainerError::Run { path: folder.to_owned(), reason });
        }
        let curves = summary.runs.iter().map(|run| {
            let folder = seed_folder(folder, run.seed);
            Curves::of(&RunLog::read(&folder, run.seed)?, run, &folder)
        });
        let curves = curves.collect::<Result<_>>()?;
        Ok(Self { letter, folder: folder.to_owned(), experiment, summary, curves })
    }

    /// Reads several finished runs of one corpus, which is `source`.
    ///
    /// # Errors
    /// As [`Self::open`]; Run for one of another corpus than `source`; Setting for too many.
    pub fn open_all(folders: &[PathBuf], source: &dyn Source) -> Result<Vec<Self>> {
        if folders.is_empty() || folders.len() > MOST_RUNS {
            let reason = format!("expected 1 to {MOST_RUNS} folders, found {}", folders.len());
            return Err(TrainerError::setting("RUN", reason));
        }
        let opened = folders.iter().zip('A'..='Z').map(|(folder, letter)| {
            let run = Self::open(folder, letter)?;
            run.fits(source)?;
            Ok(run)
        });
        opened.collect()
    }

    /// Whether the run was trained on `source`.
    fn fits(&self, source: &dyn Source) -> Result<()> {
        let refuse = |reason: String| Err(TrainerError::Run { path: self.folder.clone(), reason });
        let network = &self.experiment.network;
        let (wanted, found) = ([network.audio, network.text, network.video], source.widths());
        if wanted != found {
            return refuse(format!(
                "its network takes rows of {wanted:?} numbers (audio, text, video), {} has {found:?}; give --data with \
                 the corpus that it was trained on",
                source.name()
            ));
        }
        if self.summary.data_digest != source.digest() {
            return refuse(format!(
                "it was trained on a corpus with digest {}, {} has digest {}; give runs of one corpus, or --data with \
                 that corpus",
                self.summary.data_digest,
                source.name(),
                source.digest()
            ));
        }
        Ok(())
    }

    /// Parts of the method that the run leaves out, by the names of the paper's Table I.
    pub fn left_out(&self) -> Vec<&'static str> {
        let Experiment { network, objective, .. } = &self.experiment;
        let parts = [
            ("LLM_g", network.simulated_text),
            ("MIA", network.mia == Mia::On),
            ("MKD", objective.mkd1 > 0.0 || objective.mkd2 > 0.0),
            ("RS", objective.rs > 0.0),
            ("RNC", objective.rnc > 0.0),
        ];
        parts.into_iter().filter(|(_, there)| !there).map(|(part, _)| part).collect()
    }

    /// The run's letter and what it leaves out. It holds nothing from outside.
    pub fn title(&self) -> String {
        let left_out = self.left_out();
        let method = if left_out.is_empty() { "full method".into() } else { format!("no {}", left_out.join(", no ")) };
        format!("{}: {method}", self.letter)
    }

    /// The chosen weights of `seed`.
    pub fn weights(&self, seed: u64) -> PathBuf {
        seed_folder(&self.folder, seed).join(WEIGHTS_FILE)
    }

    /// The seed that pictures are of: `asked`, or the run's first.
    ///
    /// # Errors
    /// Run when the run has no such seed.
    pub fn shown(&self, asked: Option<u64>) -> Result<u64> {
        let seeds = &self.experiment.training.seeds;
        match asked.or(seeds.first().copied()) {
            Some(seed) if seeds.contains(&seed) => Ok(seed),
            Some(seed) => {
                let reason = format!("it has no seed {seed}; its seeds are {seeds:?}");
                Err(TrainerError::Run { path: self.folder.clone(), reason })
            }
            None => Err(TrainerError::Run { path: self.folder.clone(), reason: "it has no seed".into() }),
        }
    }
}
