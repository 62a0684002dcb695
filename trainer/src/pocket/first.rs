//! The first bundle: the four trained networks, and a fusion network that has learned nothing yet.
//!
//! `mien-train extract` takes the corpus through it; a fusion network that learned from those rows takes the first one's
//! place by `mien-train export`. Encoders compute with bytes, the language model is Q8_0.

use std::path::Path;

use mien_models::fusion::{self, FusionConfig};
use mien_models::llama::{QuantisedType, quantise_gguf};
use mien_models::manet::ManetConfig;
use mien_models::tensor::{NamedTensors, write_safetensors};
use mien_models::wavlm::{self, LibraryConfig};
use mien_quantize::Gate;

use super::stage::{Finished, STATEMENT, StageFolder};
use super::{corpus, hearing, language, projection, seeing};
use crate::bundle_build::{self, Built, Int8, PARTS, Part, Placement, Request, Stated};
use crate::export::Label;
use crate::{Result, TrainerError, model};

/// The bundle's folder.
pub const FOLDER: &str = "first-bundle";
/// Where files are that only it needs.
const STAGE: &str = "first";
/// The fusion network's first values.
const FUSION: &str = "fusion.safetensors";
/// The language model in eight bits.
const LLM: &str = "llm-q8_0.gguf";
/// Threads that the small language model is quantised by.
const THREADS: usize = 1;
/// What the bundle says of where its networks come from.
const SOURCE: &str = "mien-train pocket";
/// The project's own.
const LICENCE: &str = "MIT";

/// Makes the bundle `first-bundle` in `out` of the stages that are finished there, trained on the corpus in `folder`; `seed`
/// draws the fusion network. `tell` is given what is done and with which part.
///
/// # Errors
/// Pocket for a changed corpus, and for a stage that is missing or was changed; what [`bundle_build::build`] raises.
pub fn bundle(folder: &Path, out: &Path, seed: u64, tell: &mut dyn FnMut(&str, Part)) -> Result<Built> {
    let digest = corpus::verify(folder)?.digest;
    for stage in [language::STAGE, hearing::STAGE, projection::STAGE, seeing::STAGE] {
        Finished::of(out, stage, digest)?;
    }
    let work = StageFolder::open(out, STAGE)?;
    let [fusion, llm] = [FUSION, LLM].map(|name| work.root().join(name));
    let gguf = out.join(language::STAGE).join(language::GGUF);
    quantise_gguf(&gguf, &llm, QuantisedType::Q8_0, THREADS)?;

    let wavlm = out.join(hearing::STAGE).join(hearing::WEIGHTS);
    let library = LibraryConfig::open(&out.join(hearing::STAGE).join(hearing::LIBRARY_CONFIG))?;
    let (sizes, _) = wavlm::read(NamedTensors::open(&wavlm)?, Some(&library))?;
    let manet = out.join(seeing::STAGE).join(seeing::WEIGHTS);
    let projector = out.join(projection::STAGE).join(projection::WEIGHTS);
    let config = FusionConfig {
        audio: sizes.hidden,
        text: llm_width(&projector)?,
        video: ManetConfig::of(&NamedTensors::open(&manet)?)?.embedding(),
        ..FusionConfig::PUBLISHED
    };
    let specs: Vec<_> = fusion::parameters(&config).into_iter().filter(|spec| spec.required).collect();
    write_safetensors(&fusion, &model::initial(&config, seed), &specs, &Default::default())?;

    let request = Request {
        wavlm,
        wavlm_config: None,
        manet,
        projector,
        fusion,
        llm: Some(llm),
        placement: Placement::Copy,
        audio_layer: Some(hearing::AUDIO_LAYER.min(sizes.layers)),
        prompt: Some(language::PROMPT.into()),
        mia: None,
        mia_residual: None,
        int8: Some(Int8 { keep_float: Vec::new(), calibrate: None, gate: Gate::default() }),
        label: Label {
            name: Some("pocket".into()),
            version: None,
            trained: false,
            statement: Some(format!("{STATEMENT}; its fusion network has learned nothing yet")),
        },
        stated: Stated {
            licences: PARTS.into_iter().map(|part| (part, LICENCE.to_owned())).collect(),
            sources: PARTS.into_iter().map(|part| (part, format!("{SOURCE}, corpus {digest}"))).collect(),
        },
    };
    bundle_build::build(&request, &out.join(FOLDER), tell)
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
