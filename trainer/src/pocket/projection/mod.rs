//! Stage `projector`: the projector learns to let the small llama write down what the small WavLM hears, both as they are.
//!
//! WavLM's last layer is computed once for each clip, by the device's own network; the llama's loss on the transcript
//! passes back through it into the projector.

mod frames;
mod settings;

use std::path::Path;

use burn::tensor::{DType, Device};
use mien_models::bundle::Sha256;
use mien_models::llama::SpmVocabulary;
use mien_models::projector::{ProjectorConfig, parameters};
use mien_models::tensor::{NamedTensors, write_safetensors};

use super::clips::{Clip, Clips};
use super::hearing;
use super::language::{self, Vocabulary};
use super::stage::{finished_stage, stage_folder};
use crate::Result;
use crate::course::{Course, Finished, Order, Tell};
use crate::data::Split;
use crate::networks::{Llama, Mode, Projector, Prompted};
use crate::projection::HeldOut;
use crate::train::ProjectorStage;

/// The stage's name, which is that of its folder, and the trained tensors.
pub use crate::projection::{STAGE, WEIGHTS};
pub use settings::ProjectionSettings;

/// Clips of the validation split that are computed together.
const TOGETHER: usize = 16;

/// Trains the projector on the corpus in `corpus`, in the folder `projector` of `out`, where the stages `wavlm` and `llama`
/// are finished; or goes on where it was stopped.
///
/// # Errors
/// Setting; Pocket for a changed corpus and for an earlier stage that is missing or was changed; Run for a busy folder and
/// for a training that was begun otherwise; NotFinite; Io.
pub fn train(
    corpus: &Path,
    out: &Path,
    settings: &ProjectionSettings,
    device: &Device,
    tell: Tell<'_>,
) -> Result<Finished> {
    let clips = Clips::open(corpus)?;
    let wavlm = finished_stage(out, hearing::STAGE, clips.digest())?;
    let llama = finished_stage(out, language::STAGE, clips.digest())?;
    let folder = stage_folder(out, STAGE)?;
    let learned_from = learned_from(&clips, [&wavlm, &llama], settings);
    if let Some(finished) = folder.finished(&settings.pace, learned_from)? {
        return Ok(finished);
    }
    let plan = settings.pace.plan(learned_from)?;
    let vocabulary = Vocabulary::new()?;
    let sizes = &settings.hearing;
    let llm = settings.language.config(&vocabulary);
    let config = ProjectorConfig {
        k: settings.k,
        encoder_width: sizes.hidden,
        hidden: settings.hidden,
        llm_width: llm.hidden_size,
    };
    let device = device.clone().autodiff();
    let weights = NamedTensors::open(&out.join(language::STAGE).join(language::WEIGHTS))?;
    let llama = Llama::new(&llm, &weights, Mode::Frozen, &device, DType::F32)?;
    let weights = Projector::initial(&config, settings.pace.seed)?;
    let projector = Projector::new(&config, &weights, Mode::Learns, &device, DType::F32)?;
    let mut stage = ProjectorStage { projector, llama };

    let weights = NamedTensors::open(&out.join(hearing::STAGE).join(hearing::WEIGHTS))?;
    let scratch = folder.scratch()?;
    let ear = frames::Ear::open(sizes, &weights, scratch.path())?;
    let transcripts = |clips: &[&Clip]| -> Vec<Vec<u32>> {
        let ended = |clip: &&Clip| [vocabulary.sentence(&clip.transcript), vec![SpmVocabulary::EOS as u32]].concat();
        clips.iter().map(ended).collect()
    };
    let train = clips.of(Split::Train);
    let mut heard = (ear.frames(&train, None, tell)?, transcripts(&train));
    for copy in 1..=settings.varied {
        heard.0.extend(ear.frames(&train, Some([settings.pace.seed, copy]), tell)?);
        heard.1.extend_from_within(..train.len());
    }
    let train = heard;
    let valid: Vec<&Clip> = clips.of(Split::Valid).into_iter().take(settings.measured).collect();
    let mut held_out = HeldOut {
        frames: ear.frames(&valid, None, tell)?,
        transcripts: transcripts(&valid),
        texts: valid.iter().map(|clip| clip.transcript.clone()).collect(),
        prompt: vocabulary.prompt(),
        together: TOGETHER,
        llm: language::open(&out.join(language::STAGE).join(language::GGUF), llm.hidden_size)?,
        most_tokens: language::MOST_TOKENS,
    };
    let mut order = Order::new(settings.pace.seed, settings.pace.batch, train.0.iter().map(Vec::len));
    let prompt = vocabulary.prompt();
    let valid = Course { folder: &folder, plan: &plan, measure_every: settings.pace.measure_every, tell }.run(
        &mut stage,
        &mut |step| {
            let clips = order.batch(step);
            let of = |all: &[Vec<f32>]| clips.iter().filter_map(|&clip| all.get(clip).cloned()).collect();
            let transcripts = clips.iter().filter_map(|&clip| train.1.get(clip).cloned()).collect();
            Ok(Prompted { frames: of(&train.0), prompt: prompt.clone(), transcripts })
        },
        &mut |stage| held_out.measure(stage),
    )?;
    let tensors = stage.projector.parameters().named()?;
    write_safetensors(&folder.root().join(WEIGHTS), &tensors, &parameters(&config), &Default::default())?;
    folder.finish(STAGE, [clips.digest(), learned_from], settings.pace, valid, &[WEIGHTS])
}

/// Digest of everything that the training depends on.
fn learned_from(clips: &Clips, before: [&Finished; 2], settings: &ProjectionSettings) -> Sha256 {
    let before: Vec<String> = before.iter().flat_map(|stage| &stage.files).map(|(n, d)| format!("{n} {d}")).collect();
    let prompt = language::PROMPT;
    Sha256::of(format!("{STAGE} 2\n{}\n{before:?}\n{settings:?}\n{prompt}\n", clips.digest()).as_bytes())
}
