//! Stage `manet`: a small MA-Net learns the hidden valence of faces, as classes.
//!
//! Faces are those that the device's own finder finds and its own crop cuts out, in the pictures of the clips.

mod classes;
mod crops;
mod measure;
mod settings;

use std::path::Path;

use burn::tensor::{DType, Device};
use mien_models::bundle::Sha256;
use mien_models::manet::{ManetConfig, parameters};
use mien_models::tensor::write_safetensors;

use super::clips::{Clip, Clips};

use super::stage::stage_folder;
use crate::course::{Course, Finished, Order, Tell};
use crate::data::Split;
use crate::networks::{Manet, Mode};
use crate::train::{Faces, ManetStage};
use crate::{Result, TrainerError};

pub use classes::{CLASSES, class_of};
pub use settings::SeeingSettings;

/// The stage's name, and that of its folder.
pub const STAGE: &str = "manet";
/// The trained tensors under the authors' names.
pub const WEIGHTS: &str = "manet.safetensors";

/// Trains MA-Net on the corpus in `corpus`, in the folder `manet` of `out`, or goes on where it was stopped.
///
/// # Errors
/// Setting; Pocket for a changed corpus, clips without faces or a busy folder; Run for a training that was begun otherwise;
/// NotFinite; Io.
pub fn train(
    corpus: &Path,
    out: &Path,
    settings: &SeeingSettings,
    device: &Device,
    tell: Tell<'_>,
) -> Result<Finished> {
    let clips = Clips::open(corpus)?;
    let folder = stage_folder(out, STAGE)?;
    let learned_from = learned_from(&clips, settings);
    if let Some(finished) = folder.finished(&settings.pace, learned_from)? {
        return Ok(finished);
    }
    let plan = settings.pace.plan(learned_from)?;
    let config = ManetConfig { width: settings.width, classes: CLASSES };
    let weights = Manet::initial(&config, settings.pace.seed)?;
    let manet = Manet::new(&config, &weights, Mode::Learns, &device.clone().autodiff(), DType::F32)?;
    let mut stage = ManetStage { manet };
    let train = crops::find(&clips.of(Split::Train), settings.pictures, tell)?;
    let valid: Vec<&Clip> = clips.of(Split::Valid).into_iter().take(settings.measured).collect();
    let valid = crops::find(&valid, settings.pictures, tell)?;
    if train.is_empty() {
        let reason = "the face finder finds no face in the clips of the train split; make the corpus anew".into();
        return Err(TrainerError::Pocket { path: corpus.to_owned(), reason });
    }
    let mut order = Order::new(settings.pace.seed, settings.pace.batch, train.iter().map(|_| 1));
    let valid = Course { folder: &folder, plan: &plan, measure_every: settings.pace.measure_every, tell }.run(
        &mut stage,
        &mut |step| {
            let faces: Vec<&crops::Seen> = order.batch(step).iter().filter_map(|&face| train.get(face)).collect();
            Ok(Faces {
                pixels: crops::pixels(&faces),
                classes: faces.iter().map(|face| class_of(face.valence)).collect(),
            })
        },
        &mut |stage| measure::measure(stage, &valid),
    )?;
    let tensors = stage.manet.parameters().named()?;
    let specs: Vec<_> = parameters(&config).into_iter().filter(|spec| spec.required).collect();
    write_safetensors(&folder.root().join(WEIGHTS), &tensors, &specs, &Default::default())?;
    folder.finish(STAGE, [clips.digest(), learned_from], settings.pace, valid, &[WEIGHTS])
}

/// Digest of everything that the training depends on.
fn learned_from(clips: &Clips, settings: &SeeingSettings) -> Sha256 {
    Sha256::of(format!("{STAGE} 1\n{}\n{settings:?}\n", clips.digest()).as_bytes())
}
