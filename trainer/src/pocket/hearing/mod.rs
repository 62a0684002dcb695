//! Stage `wavlm`: a small WavLM learns which words are said, and in which mood.
//!
//! Labels are whole words, not letters: the last layer then says a word in few frames, which a projector can turn into
//! that word's row for a language model that stays as it is. Beside the words' scores stands one number for each frame, whose
//! mean over a clip learns the hidden valence of the voice; so the inner layer that the fusion hears carries both.

mod flat_start;
mod labels;
mod measure;
mod settings;
mod stage;
mod varied;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{DType, Device};
use mien_models::bundle::Sha256;
use mien_models::tensor::write_safetensors;
use mien_models::wavlm::{WavlmConfig, parameters, waveform};
use rayon::prelude::*;
use serde_json::json;

use super::clips::{Clip, Clips};
use super::stage::stage_folder;
use crate::course::{Course, Finished, Order, Tell, Told};
use crate::data::Split;
use crate::networks::{Mode, Recogniser};
use crate::{Result, TrainerError};

pub use labels::Labels;
pub(super) use measure::{correlation, mean};
pub use settings::{AUDIO_LAYER, HearingSettings};
pub use stage::{Heard, HearingStage, Lesson};
pub(super) use varied::varied;

/// The stage's name, and that of its folder.
pub const STAGE: &str = "wavlm";
/// The trained tensors under transformers' names.
pub const WEIGHTS: &str = "wavlm.safetensors";
/// Tells these draws from others.
const VARIED: u64 = 111;
/// Its sizes as transformers writes them.
pub const LIBRARY_CONFIG: &str = "config.json";

/// Trains WavLM on the corpus in `corpus`, in the folder `wavlm` of `out`, or goes on where it was stopped.
///
/// # Errors
/// Setting; Pocket for a changed corpus; Run for a busy folder and for a training that was begun otherwise; NotFinite; Io.
pub fn train(
    corpus: &Path,
    out: &Path,
    settings: &HearingSettings,
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
    let labels = Labels::new();
    let weights = Recogniser::initial(&settings.sizes, labels.choices(), settings.pace.seed)?;
    let device = device.clone().autodiff();
    let recogniser = Recogniser::new(&settings.sizes, labels.choices(), &weights, Mode::Learns, &device, DType::F32)?;
    let mut stage = HearingStage { recogniser };
    let train = spoken(&clips.of(Split::Train), &labels, tell)?;
    let valid: Vec<&Clip> = clips.of(Split::Valid).into_iter().take(settings.measured).collect();
    let valid = spoken(&valid, &labels, tell)?;
    let valid: Vec<Heard> = valid.iter().map(|clip| clip.heard(&clip.samples)).collect::<Result<_>>()?;
    let seed = settings.pace.seed;
    let mut order = Order::new(seed, settings.pace.batch, train.iter().map(|clip| clip.samples.len()));
    let valid = Course { folder: &folder, plan: &plan, measure_every: settings.pace.measure_every, tell }.run(
        &mut stage,
        &mut |step| {
            let clips: Vec<&Spoken> = order.batch(step).iter().filter_map(|&clip| train.get(clip)).collect();
            let varied = |(place, clip): (u64, &Spoken)| clip.varied(&[seed, VARIED, step, place]);
            let clips = (0..).zip(clips).map(varied).collect::<Result<_>>()?;
            Ok(Lesson { clips, guessed: 1.0 - (step as f64 / settings.flat_start.max(1) as f64).min(1.0) })
        },
        &mut |stage| measure::measure(stage, &valid),
    )?;
    let tensors = stage.recogniser.wavlm_tensors()?;
    write_safetensors(&folder.root().join(WEIGHTS), &tensors, &parameters(&settings.sizes), &Default::default())?;
    folder.put(LIBRARY_CONFIG, library_config(&settings.sizes).as_bytes())?;
    folder.finish(STAGE, [clips.digest(), learned_from], settings.pace, valid, &[WEIGHTS, LIBRARY_CONFIG])
}

/// A clip with what is said in it.
struct Spoken {
    samples: Vec<f32>,
    /// Labels of the words, and how many letters each has.
    words: Vec<(u32, usize)>,
    valence: f64,
}

impl Spoken {
    /// `samples`, the clip's or made of them, as the stage takes them.
    fn heard(&self, samples: &[f32]) -> Result<Heard> {
        let waveform = waveform::prepare(samples)?;
        let guessed = flat_start::flat_labels(&waveform, &self.words);
        let words = self.words.iter().map(|(label, _)| *label).collect();
        Ok(Heard { waveform, words, guessed, valence: Some(self.valence) })
    }

    fn varied(&self, key: &[u64]) -> Result<Heard> {
        let varied = varied(&self.samples, key);
        let heard = self.heard(&varied.samples)?;
        Ok(if varied.speed_changed { Heard { valence: None, ..heard } } else { heard })
    }
}

/// The clips, read on all threads.
fn spoken(clips: &[&Clip], labels: &Labels, tell: Tell<'_>) -> Result<Vec<Spoken>> {
    let done = AtomicUsize::new(0);
    let read = |clip: &&Clip| {
        let words = labels.of(&clip.transcript).map_err(|word| TrainerError::Pocket {
            path: clip.path.clone(),
            reason: format!("{word:?} is no word of the grammar; make the corpus anew with this program"),
        })?;
        let words = words.into_iter().zip(clip.transcript.split_whitespace().map(str::len)).collect();
        let samples = clip.samples()?;
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        tell(Told::Prepares { stage: STAGE, what: "sound read", done, total: clips.len() });
        Ok::<_, TrainerError>(Spoken { samples, words, valence: clip.prosody })
    };
    clips.par_iter().map(read).collect()
}

/// Digest of everything that the training depends on.
fn learned_from(clips: &Clips, settings: &HearingSettings) -> Sha256 {
    Sha256::of(format!("{STAGE} 3\n{}\n{settings:?}\n", clips.digest()).as_bytes())
}

/// The sizes as the transformers library's `config.json`.
fn library_config(config: &WavlmConfig) -> String {
    let text = serde_json::to_string_pretty(&json!({
        "model_type": "wavlm",
        "feat_extract_norm": "layer",
        "do_stable_layer_norm": true,
        "conv_bias": false,
        "hidden_act": "gelu",
        "feat_extract_activation": "gelu",
        "hidden_size": config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.intermediate,
        "num_conv_pos_embeddings": config.conv_pos_kernel,
        "num_conv_pos_embedding_groups": config.conv_pos_groups,
        "num_buckets": config.buckets,
        "max_bucket_distance": config.max_distance,
        "layer_norm_eps": config.layer_norm_eps,
        "conv_dim": vec![config.conv_channels; 7],
        "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
        "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    }));
    // A value made of numbers and texts always has a text.
    text.unwrap_or_default() + "\n"
}
