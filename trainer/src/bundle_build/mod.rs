//! From published checkpoints to a bundle that a device runs.
//!
//! `networks` reads each file as the network that it must hold, `llm` the language model; `graphs` writes what a device
//! runs and runs it once; `int8` makes the encoders compute with bytes and measures on `clips` what that costs. Sizes come from the tensors, so small networks of the same build become bundles too. Nothing
//! appears at the target before everything is written and has run.

mod clips;
mod graphs;
mod int8;
mod llm;
mod networks;
mod part;
mod placement;

use std::path::{Path, PathBuf};

use mien_models::ModelError;
use mien_models::bundle::{
    AudioSection, Bundle, BundleWriter, FaceSection, FileEntry, Manifest, MemorySection, MethodSection, Origin, SCHEMA,
};
use mien_models::fusion::{FusionConfig, Mia, MiaResidual};
use mien_models::manet::ManetConfig;
use mien_models::projector::ProjectorConfig;
use mien_models::wavlm::WavlmConfig;
use mien_quantize::KeptFloat;
use mien_runtime::steering::is_steering;

pub use graphs::Networks;
pub use int8::{Calibration, Int8, Quantised};
pub use llm::Llm;
pub(crate) use networks::wavlm;
pub use networks::{Network, Reading};
pub use part::{PARTS, Part, Stated, Terms, terms};
pub use placement::Placement;

use crate::export::Label;
use crate::{Result, TrainerError};

/// WavLM-Large's block whose output gives the audio rows (spec section 2.1).
const PUBLISHED_AUDIO_LAYER: usize = 20;
/// What a bundle says of itself while nobody has said that its weights are trained.
const UNVOUCHED: &str = "weights that nobody has vouched for as trained: scores mean nothing";

/// What a bundle is to be made of.
#[derive(Clone, Debug)]
pub struct Request {
    /// WavLM in the transformers format.
    pub wavlm: PathBuf,
    /// Its `config.json`; none for the one beside it, if there is one.
    pub wavlm_config: Option<PathBuf>,
    /// MA-Net.
    pub manet: PathBuf,
    /// The projector.
    pub projector: PathBuf,
    /// The fusion network.
    pub fusion: PathBuf,
    /// The language model, GGUF; a bundle can do without.
    pub llm: Option<PathBuf>,
    /// How the bundle gets at the language model.
    pub placement: Placement,
    /// WavLM's block for the audio rows; none for the published one.
    pub audio_layer: Option<usize>,
    /// What the language model is asked when it listens; none for the published prompt.
    pub prompt: Option<String>,
    /// Imagination blocks, instead of what the file tells.
    pub mia: Option<Mia>,
    /// Their residual, instead of what the file tells.
    pub mia_residual: Option<MiaResidual>,
    /// The encoders in bytes; none for floats.
    pub int8: Option<Int8>,
    /// What the bundle says of itself.
    pub label: Label,
    /// Licences and sources.
    pub stated: Stated,
}

/// A bundle that was made.
#[derive(Debug)]
pub struct Built {
    /// Its folder.
    pub folder: PathBuf,
    /// Its digest.
    pub digest: String,
    /// Its manifest.
    pub manifest: Manifest,
    /// What was found in the checkpoints.
    pub readings: Vec<Reading>,
    /// What became of encoders in bytes; none where they compute in floats.
    pub quantised: Option<Quantised>,
    /// The language model, and how the bundle gets at it.
    pub llm: Option<(Llm, String)>,
}

/// Makes the bundle `out`. `tell` is given what is done and with which part. A bundle that stands at `out` is kept as
/// [`BundleWriter`] says.
///
/// # Errors
/// Model for files that hold something else, for sizes that do not meet, for graphs that do not run, for what stands at
/// `out`; Io. Nothing appears at `out` then.
pub fn build(request: &Request, out: &Path, tell: &mut dyn FnMut(&str, Part)) -> Result<Built> {
    // First of all, because reading takes long.
    let mut writer = BundleWriter::create(out)?;
    let calibrate = request.int8.as_ref().and_then(|int8| int8.calibrate.as_deref());
    let clips = calibrate.map_or_else(|| Ok(Vec::new()), clips::read)?;
    let networks = read(request, tell)?;
    let kept = match &request.int8 {
        None => None,
        Some(int8) => Some(KeptFloat::of(&networks.wavlm.config, &networks.manet.config, &int8.keep_float)?),
    };
    let llm = match &request.llm {
        None => None,
        Some(path) => {
            tell("read", Part::Llm);
            let projector = &networks.projector;
            let llm = Llm::read(path, &projector.config, &projector.reading.path)?;
            llm.check_placement(request.placement)?;
            Some(llm)
        }
    };
    let readings: Vec<Reading> =
        [&networks.wavlm.reading, &networks.manet.reading, &networks.projector.reading, &networks.fusion.reading]
            .map(Clone::clone)
            .into();

    networks.write(writer.folder(), kept.as_ref(), tell)?;
    networks.check(writer.folder(), tell)?;
    let quantised = match (&request.int8, kept) {
        (Some(int8), Some(kept)) => {
            let manifest = manifest(&networks, None, request, writer.files());
            let plan = int8::Plan { networks: &networks, kept, int8, clips, manifest };
            Some(plan.measure(writer.folder(), out, tell)?)
        }
        _ => None,
    };

    let terms_of = |part: Part| {
        let reading = readings.iter().find(|reading| reading.part == part);
        let published = reading.is_some_and(|reading| reading.has_published_sizes);
        let file = reading.map(|reading| format!("{}, sha256 {}", named(&reading.path), reading.sha256));
        let file = file.unwrap_or_default();
        let Terms { licence, source } = terms(part, published, &request.stated, &file);
        let remark = quantised.as_ref().map_or(String::new(), |quantised| quantised.remark(part));
        Terms { licence, source: source + &remark }
    };
    Networks::add(&mut writer, &terms_of)?;
    graphs::add_detector(&mut writer)?;
    let llm = match llm {
        None => None,
        Some(llm) => {
            tell("place", Part::Llm);
            let Terms { licence, source } = llm_terms(&llm, &request.stated);
            let placed = llm.place(request.placement, &mut writer, Origin { licence: &licence, source: &source })?;
            Some((llm, placed))
        }
    };
    let manifest = manifest(&networks, llm.as_ref().map(|(llm, _)| llm), request, writer.files());
    writer.finish(manifest)?;
    let made = Bundle::open(out)?;
    Ok(Built {
        folder: out.to_owned(),
        digest: made.digest().to_owned(),
        manifest: made.manifest().clone(),
        readings,
        quantised,
        llm,
    })
}

/// Reads the four networks and holds them against each other.
fn read(request: &Request, tell: &mut dyn FnMut(&str, Part)) -> Result<Networks> {
    tell("read", Part::Wavlm);
    let wavlm = networks::wavlm(&request.wavlm, request.wavlm_config.as_deref())?;
    let audio_layer = audio_layer(request.audio_layer, &wavlm)?;
    tell("read", Part::Manet);
    let manet = networks::manet(&request.manet)?;
    tell("read", Part::Projector);
    let projector = networks::projector(&request.projector, wavlm.config.hidden)?;
    tell("read", Part::Fusion);
    let fusion = networks::fusion(&request.fusion, request.mia, request.mia_residual)?;
    fitting(&wavlm, &manet, &projector, &fusion)?;
    Ok(Networks { wavlm, audio_layer, manet, projector, fusion })
}

fn audio_layer(asked: Option<usize>, wavlm: &Network<WavlmConfig>) -> Result<usize> {
    let layers = wavlm.config.layers;
    match asked {
        Some(layer) if layer <= layers => Ok(layer),
        Some(layer) => Err(TrainerError::setting(
            "--audio-layer",
            format!("expected 0 to {layers}, WavLM's blocks, found {layer}"),
        )),
        None if layers == WavlmConfig::large().layers => Ok(PUBLISHED_AUDIO_LAYER),
        None => Err(TrainerError::setting(
            "--audio-layer",
            format!(
                "{} has {layers} blocks; the published choice, {PUBLISHED_AUDIO_LAYER} of 24, says nothing of it: give the \
                 block whose output the fusion network was trained on",
                wavlm.reading.path.display()
            ),
        )),
    }
}

/// Whether the widths at which the networks meet are equal.
fn fitting(
    wavlm: &Network<WavlmConfig>,
    manet: &Network<ManetConfig>,
    projector: &Network<ProjectorConfig>,
    fusion: &Network<FusionConfig>,
) -> Result<()> {
    let takes = &fusion.config;
    for (rows, tensor, expected, gives, found) in [
        ("audio", 0, takes.audio, &wavlm.reading, wavlm.config.hidden),
        ("text", 1, takes.text, &projector.reading, projector.config.llm_width),
        ("video", 2, takes.video, &manet.reading, manet.config.embedding()),
    ] {
        if expected != found {
            let reason = format!(
                "frame_dim_reshape_{tensor}.weight takes {rows} rows of {expected}, {} gives rows of {found}; give the \
                 {} that the fusion network was trained with",
                gives.path.display(),
                gives.part
            );
            return Err(ModelError::Config { what: fusion.reading.path.display().to_string(), reason }.into());
        }
    }
    Ok(())
}

/// A file as a manifest names it: its name, not its place on this machine.
fn named(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().map(|c| if is_steering(c) { '.' } else { c }).take(100).collect();
    format!("file {name}")
}

/// The language model's own digest stands in the manifest already.
fn llm_terms(llm: &Llm, stated: &Stated) -> Terms {
    terms(Part::Llm, llm.vicuna_7b && llm.is_named_vicuna(), stated, &named(&llm.path))
}

fn manifest(networks: &Networks, llm: Option<&Llm>, request: &Request, files: &[FileEntry]) -> Manifest {
    let label = &request.label;
    let mut method = MethodSection::published(networks.audio_layer);
    if let Some(prompt) = &request.prompt {
        method.prompt.clone_from(prompt);
    }
    let created_by = concat!("mien-train ", env!("CARGO_PKG_VERSION"));
    let statement = label.statement.clone().unwrap_or_else(|| if label.trained { "" } else { UNVOUCHED }.into());
    let audio = AudioSection { sample_rate: 16_000, longest_utterance_s: 30.0 };
    let llm = llm.map(Llm::section);
    let memory = MemorySection::of(files, &networks.wavlm.config, audio.longest_utterance_s, llm.as_ref());
    Manifest {
        schema: SCHEMA,
        name: label.name.clone().unwrap_or_else(|| "mien".into()),
        version: label.version.clone().unwrap_or_else(|| env!("CARGO_PKG_VERSION").into()),
        trained: label.trained,
        statement,
        created_by: created_by.into(),
        method,
        audio,
        face: FaceSection::default(),
        memory,
        wavlm: networks.wavlm.config.clone(),
        manet: networks.manet.config,
        projector: networks.projector.config.clone(),
        fusion: networks.fusion.config,
        llm,
        interval90: Default::default(),
        metrics: Vec::new(),
        files: Vec::new(),
    }
}
