//! A projector for any llama: it learns to let a language model write down what WavLM hears, both as they are (spec
//! section 2.4).
//!
//! The published projector belongs to one WavLM and one Vicuna; another language model wants another one. `listed` names what
//! is learned from, recordings with transcripts, and `spoken` has heard them once; `ear` hears a step's clips; [`crate::networks`] has the networks and
//! [`ProjectorStage`] the loss; `held_out` tells how many words the language model gets wrong as a device runs it. What
//! comes out is a file that `mien-train bundle build` takes.

mod ear;
mod held_out;
mod listed;
mod settings;
mod spoken;

use std::path::Path;

use burn::tensor::{DType, Device};
use mien_models::ModelError;
use mien_models::bundle::{Sha256, check_prompt};
use mien_models::llama::{
    GgufHeader, Llama as OnDevice, LlamaConfig, LlamaRequirement, LlamaSettings, MAX_NEW_TOKENS, read_gguf,
};
use mien_models::projector::{ProjectorConfig, parameters};
use mien_models::tensor::write_safetensors;

use crate::bundle_build;
use crate::course::{Course, Finished, Order, StageFolder, Tell, Told};
use crate::networks::{Llama, Mode, Projector, Prompted};
use crate::train::{Precision, ProjectorStage};
use crate::{Result, TrainerError};

pub(crate) use held_out::HeldOut;
pub use settings::ProjectionRequest;

/// The training's name in its log.
pub const STAGE: &str = "projector";
/// The trained tensors.
pub const WEIGHTS: &str = "projector.safetensors";
/// Frames that become one row, as published.
const FRAMES: usize = 5;
/// Positions that a device has for sound, prompt and transcript.
const POSITIONS: usize = 1024;

/// Trains a projector in the folder `out`, or goes on where it was stopped.
///
/// # Errors
/// Setting; Model for files that hold other networks, for a language model in quantised weights, for two that are not the
/// same; Format and Corpus for a list, and Runtime for recordings, that cannot be learned from; Run for a busy folder and for a
/// training that was begun otherwise; NotFinite; Io.
pub fn train(request: &ProjectionRequest, out: &Path, device: &Device, tell: Tell<'_>) -> Result<Finished> {
    let ProjectionRequest { pace, precision, .. } = request;
    if request.measured == 0 {
        return Err(TrainerError::setting("measured", "expected at least 1 clip, found 0"));
    }
    // Now, and not when the bundle is made.
    check_prompt(&request.prompt).map_err(|reason| TrainerError::setting("prompt", reason))?;
    let listed = listed::Listed::read(&request.clips, request.measured)?;
    let folder = StageFolder::open(out.to_owned(), "")?;
    let wavlm = bundle_build::wavlm(&request.wavlm, request.wavlm_config.as_deref())?;
    let (llm, weights) = read_gguf(&request.llm)?;
    let on_device = on_device(request, &llm)?;
    let config = ProjectorConfig {
        k: FRAMES,
        encoder_width: wavlm.config.hidden,
        hidden: request.hidden,
        llm_width: llm.hidden_size,
    };
    let prompt: Vec<u32> = on_device.tokenize(&request.prompt)?.iter().map(|token| token.cast_unsigned()).collect();
    let context = on_device.settings().n_ctx;
    let room = spoken::Room { wavlm: &wavlm.config, k: FRAMES, context, prompt: prompt.len() };
    let spoken = spoken::Spoken::read(listed, &on_device, room, tell)?;
    let networks = [wavlm.reading.sha256, Sha256::of_file(&request.llm)?.1];
    let learned_from = learned_from(&spoken, networks, &config, request);
    if let Some(finished) = folder.finished(pace, learned_from)? {
        return Ok(finished);
    }
    let plan = pace.plan(learned_from)?;

    let dtype = match precision {
        Precision::F32 => DType::F32,
        Precision::Bf16 => DType::BF16,
    };
    let ear = ear::Ear::new(&wavlm.config, &wavlm.tensors, device, dtype)?;
    let device = device.clone().autodiff();
    let llama = Llama::new(&llm, &weights, Mode::Frozen, &device, dtype)?;
    let initial = Projector::initial(&config, pace.seed)?;
    let projector = Projector::new(&config, &initial, Mode::Learns, &device, dtype)?;
    let mut stage = ProjectorStage { projector, llama };
    let mut held_out = held_out_clips(&spoken, &ear, &prompt, pace.batch, on_device, tell)?;
    let mut order = Order::new(pace.seed, pace.batch, spoken.train.iter().map(|clip| clip.length));
    let valid = Course { folder: &folder, plan: &plan, measure_every: pace.measure_every, tell }.run(
        &mut stage,
        &mut |step| {
            let clips: Vec<&spoken::Clip> = order.batch(step).iter().filter_map(|&at| spoken.train.get(at)).collect();
            let transcripts = clips.iter().map(|clip| clip.tokens.clone()).collect();
            Ok(Prompted { frames: ear.frames(&clips)?, prompt: prompt.clone(), transcripts })
        },
        &mut |stage| held_out.measure(stage),
    )?;
    let tensors = stage.projector.parameters().named()?;
    write_safetensors(&folder.root().join(WEIGHTS), &tensors, &parameters(&config), &Default::default())?;
    folder.finish(STAGE, [spoken.digest, learned_from], *pace, valid, &[WEIGHTS])
}

/// The language model as a device runs it, which is the one that gradients pass through.
fn on_device(request: &ProjectionRequest, llm: &LlamaConfig) -> Result<OnDevice> {
    let path = request.device_llm.as_ref().unwrap_or(&request.llm);
    let requirement = LlamaRequirement {
        embedding_length: llm.hidden_size,
        block_count: Some(llm.layers),
        vocab_size: Some(llm.vocab_size),
        vicuna_7b: false,
    };
    let tokens = |path: &Path| Ok::<_, TrainerError>(GgufHeader::read(path)?.get("tokenizer.ggml.tokens").cloned());
    if request.device_llm.is_some() && tokens(path)? != tokens(&request.llm)? {
        return Err(TrainerError::from(ModelError::Gguf {
            path: path.clone(),
            key: "tokenizer.ggml.tokens".into(),
            expected: format!("the tokens of {}", request.llm.display()),
            found: "others".into(),
            fix: "give the file that `mien-train quantize-gguf` made of the float one",
        }));
    }
    let n_ctx = POSITIONS.min(llm.context_length);
    let defaults = LlamaSettings::default();
    let settings =
        LlamaSettings { n_ctx, n_batch: defaults.n_batch.min(n_ctx), gpu_layers: request.gpu_layers, ..defaults };
    Ok(OnDevice::load(path, &requirement, &settings)?)
}

/// The clips that are measured, `together` of them (at least 1) at a time; what WavLM hears of them does not change.
fn held_out_clips(
    spoken: &spoken::Spoken,
    ear: &ear::Ear,
    prompt: &[u32],
    together: usize,
    llm: OnDevice,
    tell: Tell<'_>,
) -> Result<HeldOut> {
    let valid: Vec<&spoken::Clip> = spoken.valid.iter().collect();
    let mut frames = Vec::with_capacity(valid.len());
    for clips in valid.chunks(together) {
        frames.extend(ear.frames(clips)?);
        tell(Told::Prepares { stage: STAGE, what: "clips heard", done: frames.len(), total: valid.len() });
    }
    // One that rambles is wrong long before the published limit.
    let longest = valid.iter().map(|clip| clip.tokens.len()).max().unwrap_or(1);
    Ok(HeldOut {
        frames,
        transcripts: valid.iter().map(|clip| clip.tokens.clone()).collect(),
        texts: valid.iter().map(|clip| clip.text().to_owned()).collect(),
        prompt: prompt.to_vec(),
        together,
        llm,
        most_tokens: MAX_NEW_TOKENS.min(2 * longest),
    })
}

/// Digest of everything that the training depends on.
fn learned_from(
    spoken: &spoken::Spoken,
    networks: [Sha256; 2],
    config: &ProjectorConfig,
    request: &ProjectionRequest,
) -> Sha256 {
    let ProjectionRequest { precision, pace, prompt, .. } = request;
    let [wavlm, llm] = networks;
    let text = format!("{STAGE} 1\n{}\n{wavlm}\n{llm}\n{config:?}\n{precision:?}\n{pace:?}\n{prompt}\n", spoken.digest);
    Sha256::of(text.as_bytes())
}
