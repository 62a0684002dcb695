//! One page about finished runs: how they were trained, what they came to, and under which conditions.
//!
//! First numbers, then pictures, then the page: [`run`], [`curves`], [`similarity`], [`calibration`], [`contribution`],
//! [`mod@settings`] and [`environment`] find numbers; [`figure`] says in data what is drawn, [`pictures`] which numbers go
//! where, `draw` and `heat` draw; [`page`] puts all of it into one file that refers to nothing outside of itself.

pub mod calibration;
pub mod contribution;
pub mod curves;
mod draw;
pub mod environment;
pub mod figure;
mod heat;
pub mod page;
mod picture;
pub mod pictures;
pub mod run;
pub mod settings;
pub mod similarity;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use mien_models::tensor::NamedTensors;

use crate::data::Split;
use crate::data::store::Store;
use crate::evaluate::{Evaluation, Measured, Measuring, Mode, represent};
use crate::new_folder::NewFolder;
use crate::train::Learner;
use crate::{Result, TrainerError};

use calibration::Calibration;
use contribution::{TakenAway, Weights, taken_away};
use environment::Environment;
pub use picture::Picture;
use pictures::RunPictures;
use run::Run;
use settings::{Setting, settings};
use similarity::{Feature, Sampling, Similarity, sample};

/// File name of the page in a report's folder.
pub const PAGE: &str = "report.html";
/// Names of the two flows, in the order of every pair of results.
pub const FLOWS: [&str; 2] = ["complete", "text missing"];

/// What a report is asked for.
#[derive(Debug)]
pub struct Request<'a> {
    /// Folders of finished runs: usually the full method, then those that leave something out.
    pub runs: &'a [PathBuf],
    /// How they are measured.
    pub measuring: Measuring,
    /// The seed that pictures are of; the first of each run where none is given.
    pub seed: Option<u64>,
    /// Whether all seeds are measured, and not that one alone.
    pub all_seeds: bool,
    /// Clips in similarity matrices.
    pub sampling: Sampling,
    /// What similarity is of.
    pub feature: Feature,
    /// What computes.
    pub device: &'a Device,
    /// Its name.
    pub device_name: &'a str,
    /// When, as the page shows it.
    pub made: String,
}

/// What a report tells while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The run's letter.
    pub run: char,
    /// The seed.
    pub seed: u64,
    /// What is done.
    pub what: &'static str,
    /// The split.
    pub split: Split,
    /// Clips done.
    pub done: usize,
    /// Of all.
    pub total: usize,
}

/// Hears what a report tells.
pub type Tell<'t> = dyn FnMut(Progress) + 't;

/// All numbers of a page.
#[derive(Clone, Debug)]
pub struct Report {
    /// Conditions and warnings.
    pub environment: Environment,
    /// What similarity is of.
    pub feature: Feature,
    /// How many clips similarity shows, and how many there are.
    pub shown: (usize, usize),
    /// Which clips.
    pub sampling: Sampling,
    /// Settings side by side.
    pub settings: Vec<Setting>,
    /// By run, in the order asked for.
    pub runs: Vec<RunReport>,
}

/// All numbers of a run.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The run.
    pub run: Run,
    /// The seed that pictures are of.
    pub seed: u64,
    /// What was measured of it.
    pub measured: Measured,
    /// What was measured of each seed, in the order of the run; that one alone where no others were asked for.
    pub evaluations: Vec<(u64, Evaluation)>,
    /// Similarity matrices of both flows.
    pub similarity: [Similarity; 2],
    /// Predictions against labels of both flows.
    pub calibration: [Option<Calibration>; 2],
    /// Weights of modalities of both flows.
    pub weights: [Option<Weights>; 2],
    /// Errors without modalities.
    pub taken_away: Vec<TakenAway>,
}

impl Report {
    /// Finds all numbers of `request` on `store`.
    ///
    /// # Errors
    /// Setting for requests that cannot be; what is wrong with a run, its weights or the corpus.
    pub fn gather(request: &Request<'_>, store: &Store, tell: &mut Tell<'_>) -> Result<Self> {
        request.measuring.validate()?;
        let runs = Run::open_all(request.runs, store)?;
        let environment = Environment::of(request, &runs, store);
        let settings = settings(&runs.iter().map(|run| &run.experiment).collect::<Vec<_>>())?;
        let index = store.index().split(request.measuring.split);
        let labels: Vec<f64> = index.labels.iter().map(|label| f64::from(*label)).collect();
        let clips = sample(&index.ids, &labels, request.sampling);
        // All seeds are looked for before the first is measured.
        let seeds = runs.iter().map(|run| run.shown(request.seed)).collect::<Result<Vec<u64>>>()?;
        let mut reports = Vec::new();
        for (run, seed) in runs.into_iter().zip(seeds) {
            reports.push(RunReport::gather(run, seed, request, store, &clips, tell)?);
        }
        let shown = (clips.len(), labels.len());
        let (feature, sampling) = (request.feature, request.sampling);
        Ok(Self { environment, feature, shown, sampling, settings, runs: reports })
    }

    /// Draws the pictures and writes them and the page into the folder `out`, which appears whole or not at all.
    /// Returns the page's path.
    ///
    /// # Errors
    /// Report where something stands there already or the drawing fails; Io.
    pub fn write(&self, out: &Path) -> Result<PathBuf> {
        self.fill(NewFolder::create(out, refuse)?)
    }

    fn fill(&self, folder: NewFolder) -> Result<PathBuf> {
        let mut pictures = Vec::new();
        for run in &self.runs {
            pictures.push(RunPictures::draw(run)?);
        }
        let similarity = pictures::similarity(self)?;
        for picture in pictures.iter().flat_map(RunPictures::all).chain([&similarity]) {
            folder.write(&picture.file(), &picture.png)?;
        }
        folder.write(PAGE, page::render(self, &pictures, &similarity)?.as_bytes())?;
        let page = folder.target().join(PAGE);
        folder.finish()?;
        Ok(page)
    }
}

impl RunReport {
    fn gather(
        run: Run,
        seed: u64,
        request: &Request<'_>,
        store: &Store,
        clips: &[usize],
        tell: &mut Tell<'_>,
    ) -> Result<Self> {
        let measuring = &request.measuring;
        let letter = run.letter;
        let others = run.experiment.training.seeds.iter().copied().filter(|_| request.all_seeds);
        let mut seeds: Vec<u64> = others.collect();
        if seeds.is_empty() {
            seeds.push(seed);
        }
        let mut evaluations = Vec::new();
        let mut shown = None;
        for each in seeds {
            let weights = run.weights(each);
            let learner = Learner::new(&run.experiment, Some(NamedTensors::open(&weights)?), each, request.device)?;
            let mut told = |what, split, done, total| {
                tell(Progress { run: letter, seed: each, what, split, done, total });
            };
            let measured = measuring
                .measure(store, &learner, &weights, &mut |split, done, total| told("measured", split, done, total))?;
            evaluations.push((each, measured.evaluation.clone()));
            if each == seed {
                let mut told = |done, total| told("looked at", measuring.split, done, total);
                shown = Some((measured, represent(store, measuring.split, measuring.batch, &learner, &mut told)?));
            }
        }
        let Some((measured, represented)) = shown else {
            return Err(TrainerError::Run { path: run.folder, reason: format!("it has no seed {seed}") });
        };
        let flows = [&represented.complete, &represented.missing];
        let pairs = [Mode::COMPLETE, Mode::TEXT_MISSING].map(|mode| measured.predictions.pairs(mode));
        Ok(Self {
            similarity: flows.map(|flow| Similarity::of(request.feature.of(flow), &represented.labels, clips)),
            calibration: pairs.map(|pairs| Calibration::of(&pairs)),
            weights: flows.map(Weights::of),
            taken_away: taken_away(&measured.predictions, measuring.resamples, measuring.seed),
            run,
            seed,
            measured,
            evaluations,
        })
    }
}

/// Makes the report of `request` on `store` in the folder `out`, which appears whole or not at all. Returns the page's
/// path.
///
/// # Errors
/// As [`Report::gather`] and [`Report::write`]; what stands in the way of the folder is told before anything is
/// computed.
pub fn report(request: &Request<'_>, store: &Store, out: &Path, tell: &mut Tell<'_>) -> Result<PathBuf> {
    let folder = NewFolder::create(out, refuse)?;
    Report::gather(request, store, tell)?.fill(folder)
}

fn refuse(path: &Path, reason: String) -> TrainerError {
    TrainerError::Report { path: path.to_owned(), reason }
}
