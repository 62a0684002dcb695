//! The two bundles of the pocket world.
//!
//! 1. The *first*: the four trained networks in floats, and a fusion network that has learned nothing yet.
//!    `mien-train extract` takes the corpus through it.
//! 2. The *last*: the same with the fusion network that learned from those rows, as a device takes it: encoders compute
//!    with bytes, the language model is Q8_0. Clips of the validation split tell how far bytes move the scores.

use std::path::{Path, PathBuf};

use mien_models::fusion::{self, FusionConfig, Mia};
use mien_models::llama::{QuantisedType, quantise_gguf};
use mien_models::manet::ManetConfig;
use mien_models::tensor::{NamedTensors, write_safetensors};
use mien_models::wavlm::{self, LibraryConfig};
use mien_quantize::Gate;

use super::clips::Clips;
use super::stage::{STATEMENT, finished_stage, stage_folder};
use super::{fusing, hearing, language, projection, seeing};
use crate::bundle_build::{self, Built, Int8, PARTS, Part, Placement, Request, Stated};
use crate::data::Split;
use crate::export::Label;
use crate::{Result, TrainerError, model};

/// The first bundle's folder.
pub const FIRST: &str = "first-bundle";
/// The last bundle's folder.
pub const LAST: &str = "bundle";
/// Where files are that only bundles need.
const STAGE: &str = "bundles";
/// The fusion network's first values.
const FUSION: &str = "fusion.safetensors";
/// The language model in eight bits.
const LLM: &str = "llm-q8_0.gguf";
/// Clips that float and byte networks are compared on.
const CALIBRATION: &str = "calibration.csv";
/// How many.
const COMPARED: usize = 48;
/// Threads that the small language model is quantised by.
const THREADS: usize = 1;
/// What the bundle says of where its networks come from.
const SOURCE: &str = "mien-train pocket";
/// The project's own.
const LICENCE: &str = "MIT";

/// Makes the first bundle in `out` of the stages that are finished there, trained on the corpus in `folder`; `seed` draws
/// the fusion network. `tell` is given what is done and with which part.
///
/// # Errors
/// Pocket for a changed corpus, and for a stage that is missing or was changed; what [`bundle_build::build`] raises.
pub fn first(folder: &Path, out: &Path, seed: u64, tell: &mut dyn FnMut(&str, Part)) -> Result<Built> {
    let clips = Clips::open(folder)?;
    let trained = Trained::open(out, &clips)?;
    let fusion = stage_folder(out, STAGE)?.root().join(FUSION);
    let config = trained.fusion_config()?;
    let specs: Vec<_> = fusion::parameters(&config).into_iter().filter(|spec| spec.required).collect();
    write_safetensors(&fusion, &model::initial(&config, seed), &specs, &Default::default())?;
    let llm = trained.llm.clone();
    let label = Label {
        trained: false,
        statement: Some(format!("{STATEMENT}; its fusion network has learned nothing yet")),
        ..Label::default()
    };
    bundle_build::build(&trained.request(fusion, llm, None, label), &out.join(FIRST), tell)
}

/// Makes the last bundle in `out` with the weights in the file `fusion`, which learned from rows of the first one.
///
/// # Errors
/// As [`first`]; Quantize where bytes move the scores too far.
pub fn last(folder: &Path, out: &Path, fusion: &Path, tell: &mut dyn FnMut(&str, Part)) -> Result<Built> {
    let clips = Clips::open(folder)?;
    let trained = Trained::open(out, &clips)?;
    let work = stage_folder(out, STAGE)?;
    let llm = work.root().join(LLM);
    quantise_gguf(&trained.llm, &llm, QuantisedType::Q8_0, THREADS)?;
    work.put(CALIBRATION, &calibration(&clips)?)?;
    let int8 = Int8 { keep_float: Vec::new(), calibrate: Some(work.root().join(CALIBRATION)), gate: Gate::default() };
    let label = Label { trained: true, statement: Some(STATEMENT.into()), ..Label::default() };
    bundle_build::build(&trained.request(fusion.to_owned(), llm, Some(int8), label), &out.join(LAST), tell)
}

/// A list, as extract takes it, of clips of the validation split, evenly spread.
fn calibration(clips: &Clips) -> Result<Vec<u8>> {
    let valid = clips.of(Split::Valid);
    let stride = valid.len().div_ceil(COMPARED).max(1);
    let mut table = csv::Writer::from_writer(Vec::new());
    let failed = |e: String| TrainerError::Pocket { path: CALIBRATION.into(), reason: e };
    table.write_record(["id", "path", "split", "label"]).map_err(|e| failed(e.to_string()))?;
    for clip in valid.into_iter().step_by(stride) {
        let path = std::path::absolute(&clip.path).map_err(|e| TrainerError::io(&clip.path, "find", e))?;
        let path = path.to_str().ok_or_else(|| failed(format!("{} is no UTF-8", clip.path.display())))?;
        table.write_record([&clip.id, path, "valid", "0"]).map_err(|e| failed(e.to_string()))?;
    }
    table.into_inner().map_err(|e| failed(e.to_string()))
}

/// The files of the finished stages.
struct Trained {
    wavlm: PathBuf,
    sizes: wavlm::WavlmConfig,
    manet: PathBuf,
    projector: PathBuf,
    llm: PathBuf,
    corpus: mien_models::bundle::Sha256,
}

impl Trained {
    fn open(out: &Path, clips: &Clips) -> Result<Self> {
        for stage in [language::STAGE, hearing::STAGE, projection::STAGE, seeing::STAGE] {
            finished_stage(out, stage, clips.digest())?;
        }
        let wavlm = out.join(hearing::STAGE).join(hearing::WEIGHTS);
        let library = LibraryConfig::open(&out.join(hearing::STAGE).join(hearing::LIBRARY_CONFIG))?;
        let (sizes, _) = wavlm::read(NamedTensors::open(&wavlm)?, Some(&library))?;
        Ok(Self {
            wavlm,
            sizes,
            manet: out.join(seeing::STAGE).join(seeing::WEIGHTS),
            projector: out.join(projection::STAGE).join(projection::WEIGHTS),
            llm: out.join(language::STAGE).join(language::GGUF),
            corpus: clips.digest(),
        })
    }

    fn fusion_config(&self) -> Result<FusionConfig> {
        let video = ManetConfig::of(&NamedTensors::open(&self.manet)?)?.embedding();
        let widths = [self.sizes.hidden, llm_width(&self.projector)?, video];
        Ok(fusing::experiment(widths)?.network.fusion())
    }

    fn request(&self, fusion: PathBuf, llm: PathBuf, int8: Option<Int8>, label: Label) -> Request {
        let source = format!("{SOURCE}, corpus {}", self.corpus);
        Request {
            wavlm: self.wavlm.clone(),
            wavlm_config: None,
            manet: self.manet.clone(),
            projector: self.projector.clone(),
            fusion,
            llm: Some(llm),
            placement: Placement::Copy,
            audio_layer: Some(hearing::AUDIO_LAYER.min(self.sizes.layers)),
            prompt: Some(language::PROMPT.into()),
            mia: Some(Mia::On),
            mia_residual: None,
            int8,
            label: Label { name: Some("pocket".into()), ..label },
            stated: Stated {
                licences: PARTS.into_iter().map(|part| (part, LICENCE.to_owned())).collect(),
                sources: PARTS.into_iter().map(|part| (part, source.clone())).collect(),
            },
        }
    }
}

/// Width of the language model's rows.
fn llm_width(projector: &Path) -> Result<usize> {
    let tensors = NamedTensors::open(projector)?;
    let width = tensors.shape("linear2.bias").and_then(|shape| shape.first().copied());
    width.ok_or_else(|| TrainerError::Pocket {
        path: projector.to_owned(),
        reason: "it has no linear2.bias; run `mien-train pocket projector` again".into(),
    })
}
