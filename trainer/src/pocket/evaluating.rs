//! The test split by the trainer's own network, whose measures then stand in the last bundle.

use std::path::Path;

use burn::tensor::Device;
use mien_models::bundle::MODES;
use mien_models::tensor::NamedTensors;

use super::bundles::LAST;
use super::fusing::{RUN, STORE};
use crate::Result;
use crate::data::Split;
use crate::data::store::Store;
use crate::evaluate::{Evaluation, Measured, Measuring, Mode, write_into_bundle};
use crate::train::{Learner, WEIGHTS_FILE, saved, seed_folder};

/// The folder that measures and predictions are saved in.
pub const EVALUATION: &str = "evaluation";
/// Clips per batch; padding is masked, so nothing depends on it.
const BATCH: usize = 128;
/// Draws of the bootstrap, and their seed.
const RESAMPLES: usize = 1000;
const BOOTSTRAP: u64 = 1;
/// What the manifest calls the corpus; its digest stands with the networks. Not where the store lies: equal trainings make
/// equal bundles, wherever they ran.
const CORPUS: &str = "pocket corpus";

/// Measures the fusion network of `seed` that was trained in `out`, in the usual modes and in those of a device, saves
/// measures and predictions there, and writes the measures into the last bundle. `tell` is given a split, how many of its clips
/// are done, and of how many.
///
/// # Errors
/// Store, Run and Model for rows, a run or weights that are missing or were changed; Io.
pub fn evaluate(out: &Path, seed: u64, tell: &mut dyn FnMut(Split, usize, usize)) -> Result<Evaluation> {
    let store = Store::open(&out.join(STORE))?;
    let run = out.join(RUN);
    let weights = seed_folder(&run, seed).join(WEIGHTS_FILE);
    // On the processor: measures stand in the manifest, so the bundle's digest depends on their last bits.
    let learner = Learner::new(&saved(&run)?, Some(NamedTensors::open(&weights)?), seed, &Device::flex())?;
    let mut modes: Vec<Mode> = Mode::USUAL.iter().map(|(_, mode)| *mode).collect();
    for mode in MODES.iter().filter_map(|name| name.parse::<Mode>().ok()) {
        if !modes.contains(&mode) {
            modes.push(mode);
        }
    }
    let (split, calibrate) = (Split::Test, Split::Valid);
    let measuring = Measuring { split, calibrate, modes, batch: BATCH, resamples: RESAMPLES, seed: BOOTSTRAP };
    let Measured { mut evaluation, predictions } = measuring.measure(&store, &learner, &weights, tell)?;
    evaluation.protocol.corpus = CORPUS.into();
    evaluation.save(&predictions, &out.join(EVALUATION))?;
    write_into_bundle(&evaluation, &out.join(LAST))?;
    Ok(evaluation)
}
