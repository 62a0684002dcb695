//! Stage `llama`: a small llama learns the grammar's sentences, what they mean, and to repeat what it hears.
//!
//! Three exercises, all drawn without end from the grammar:
//!
//! 1. *Read*: begin-of-text, a sentence, end-of-text; how a real transcript is represented.
//! 2. *Judge*: after the sentence stands a quality that is as good or bad as what was said ("our song is not bad" is
//!    "useful"). A published language model has read enough to know how words, denials and degrees go together; a small
//!    one that only guesses the next word of a grammar in which all things are alike would not have to.
//! 3. *Repeat*: rows as a projector gives them, the method's prompt, then the sentence. The rows are tokens here: words
//!    that last for some rows, silence (`<unk>`) between them, now and then a word that is missing or another one. A
//!    published language model brings this ability along; without it no projector could find rows that make it write
//!    down what was said.
//!
//! Sentences of the valid and test splits are never drawn.

mod exercise;
mod measure;
mod settings;
mod stage;
mod vocabulary;

use std::path::Path;

use burn::tensor::{DType, Device};
use mien_models::bundle::Sha256;
use mien_models::llama::{parameters, write_gguf};
use mien_models::tensor::write_safetensors;

use super::clips::Clips;
use super::stage::stage_folder;
use crate::Result;
use crate::course::{Course, Finished, Tell};
use crate::data::Split;
use crate::networks::{Llama, Mode};

pub use exercise::{Exercise, Exercises};
pub(super) use measure::{MOST_TOKENS, open};
pub use settings::LanguageSettings;
pub use stage::LanguageStage;
pub use vocabulary::{PROMPT, Vocabulary};

/// The stage's name, and that of its folder.
pub const STAGE: &str = "llama";
/// The trained tensors under transformers' names.
pub const WEIGHTS: &str = "llama.safetensors";
/// The same as the device loads it.
pub const GGUF: &str = "llm.gguf";
/// What the file calls itself.
const NAME: &str = "pocket llama: knows only its small world, not people";

/// Trains the llama on the corpus in `corpus`, in the folder `llama` of `out`, or goes on where it was stopped.
///
/// # Errors
/// Setting; Pocket for a changed corpus; Run for a busy folder and for a training that was begun otherwise; NotFinite; Io.
pub fn train(
    corpus: &Path,
    out: &Path,
    settings: &LanguageSettings,
    device: &Device,
    tell: Tell<'_>,
) -> Result<Finished> {
    let clips = Clips::open(corpus)?;
    let vocabulary = Vocabulary::new()?;
    let config = settings.config(&vocabulary);
    let folder = stage_folder(out, STAGE)?;
    let learned_from = learned_from(&clips, settings);
    if let Some(finished) = folder.finished(&settings.pace, learned_from)? {
        return Ok(finished);
    }
    let plan = settings.pace.plan(learned_from)?;
    let weights = Llama::initial(&config, settings.pace.seed)?;
    let llama = Llama::new(&config, &weights, Mode::Learns, &device.clone().autodiff(), DType::F32)?;
    let exercises = Exercises::new(&vocabulary, &clips, settings)?;
    let course = Course { folder: &folder, plan: &plan, measure_every: settings.pace.measure_every, tell };
    let mut stage = LanguageStage { llama };
    let held_out = measure::HeldOut::new(&exercises, &clips.of(Split::Valid), settings);
    let valid = course.run(&mut stage, &mut |step| Ok(exercises.batch(step, settings.pace.batch)), &mut |stage| {
        held_out.measure(stage, &vocabulary, folder.scratch()?.path())
    })?;
    let tensors = stage.llama.parameters().named()?;
    write_safetensors(&folder.root().join(WEIGHTS), &tensors, &parameters(&config), &Default::default())?;
    write_gguf(&folder.root().join(GGUF), &config, vocabulary.spm(), &tensors, NAME)?;
    folder.finish(STAGE, [clips.digest(), learned_from], settings.pace, valid, &[WEIGHTS, GGUF])
}

/// Digest of everything that the training depends on.
fn learned_from(clips: &Clips, settings: &LanguageSettings) -> Sha256 {
    Sha256::of(format!("{STAGE} 2\n{}\n{settings:?}\n{PROMPT}\n", clips.digest()).as_bytes())
}
