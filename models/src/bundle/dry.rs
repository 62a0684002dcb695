//! Bundles with formula weights: every network, every stage and every file is there, and scores mean nothing.

use std::path::Path;

use super::entry::Role;
use super::manifest::{AudioSection, FaceSection, LlmSection, Manifest, MethodSection, SCHEMA};
use super::memory::MemorySection;
use super::write::{BundleWriter, Origin};
use crate::Result;
use crate::face::detector_model;
use crate::fusion::{self, FusionConfig};
use crate::llama::{self, LlamaConfig, SpmVocabulary, write_gguf};
use crate::manet::{self, ManetConfig};
use crate::projector::{self, ProjectorConfig};
use crate::tensor::NamedTensors;
use crate::wavlm::{self, WavlmConfig};

/// How large the networks of a dry bundle are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrySize {
    /// A few megabytes, language model included.
    Small,
    /// WavLM-Large, MA-Net, the projector and the fusion at their published sizes, 1.5 GB; no language model.
    True,
}

/// Sizes of all networks.
struct Sizes {
    name: &'static str,
    wavlm: WavlmConfig,
    audio_layer: usize,
    manet: ManetConfig,
    projector: ProjectorConfig,
    fusion: FusionConfig,
    llm: Option<LlamaConfig>,
}

impl Sizes {
    fn of(size: DrySize) -> Self {
        match size {
            DrySize::Small => {
                let (wavlm, manet) = (WavlmConfig::tiny(), ManetConfig { width: 8, classes: 7 });
                let llm = LlamaConfig {
                    vocab_size: 320,
                    hidden_size: 64,
                    intermediate_size: 160,
                    layers: 6,
                    heads: 4,
                    kv_heads: 4,
                    rms_norm_eps: 1e-5,
                    rope_theta: 10_000.0,
                    context_length: 4096,
                };
                let (audio, text, video) = (wavlm.hidden, llm.hidden_size, manet.embedding());
                Self {
                    name: "dry-small",
                    audio_layer: wavlm.layers - 1,
                    manet,
                    projector: ProjectorConfig { k: 5, encoder_width: audio, hidden: 128, llm_width: text },
                    fusion: FusionConfig { audio, text, video, ..FusionConfig::PUBLISHED },
                    wavlm,
                    llm: Some(llm),
                }
            }
            DrySize::True => Self {
                name: "dry-true",
                wavlm: WavlmConfig::large(),
                audio_layer: 20,
                manet: ManetConfig::PUBLISHED,
                projector: ProjectorConfig::large(),
                fusion: FusionConfig::PUBLISHED,
                llm: None,
            },
        }
    }
}

/// Makes a bundle of all architectures with formula weights under `seed` at `target`, `trained = false`.
///
/// The same size and seed give the same bytes, and so the same bundle digest. Weights go from the formula into the
/// graphs one tensor at a time. What stands at `target` is treated as [`BundleWriter`] says.
///
/// # Errors
/// As [`BundleWriter::create`] and [`BundleWriter::finish`], and those of the graph builders.
pub fn make_dry(target: &Path, size: DrySize, seed: u64) -> Result<()> {
    let sizes = Sizes::of(size);
    let mut writer = BundleWriter::create(target)?;
    let source = format!("formula weights, seed {seed}");
    let ours = Origin { licence: env!("CARGO_PKG_LICENSE"), source: &source };
    write_graphs(&mut writer, &sizes, seed, ours)?;
    if let Some(config) = &sizes.llm {
        let tensors = NamedTensors::formula(seed, &llama::parameters(config));
        let vocabulary = SpmVocabulary::tiny(config.vocab_size)?;
        write_gguf(&writer.folder().join("llm.gguf"), config, &vocabulary, &tensors, sizes.name)?;
        writer.add(Role::Llm, "llm.gguf", ours)?;
    }
    let detector = detector_model();
    let theirs = Origin { licence: detector.licence, source: detector.source };
    writer.add_bytes(Role::FaceDetector, detector.file_name, detector.bytes, theirs)?;
    let licence = format!("{}.LICENSE", detector.file_name);
    writer.add_bytes(Role::Licence, &licence, detector.licence_text.as_bytes(), theirs)?;
    let manifest = manifest(sizes, &writer);
    writer.finish(manifest)
}

fn write_graphs(writer: &mut BundleWriter, sizes: &Sizes, seed: u64, origin: Origin<'_>) -> Result<()> {
    let folder = writer.folder().to_owned();
    let formula = |specs: Vec<_>| NamedTensors::formula(seed, &specs);
    let Sizes { wavlm, manet, projector, fusion, .. } = sizes;
    let taps = [sizes.audio_layer];
    wavlm::build_fused(wavlm, &formula(wavlm::parameters(wavlm)), &taps, &folder.join("wavlm.onnx"))?;
    manet::build_fused(manet, &formula(manet::parameters(manet)), &folder.join("manet.onnx"))?;
    projector::build(projector, &formula(projector::parameters(projector)), &folder.join("projector.onnx"))?;
    fusion::build(fusion, &formula(fusion::parameters(fusion)), &folder.join("fusion.onnx"))?;
    for (role, path) in [
        (Role::Wavlm, "wavlm.onnx"),
        (Role::WavlmWeights, "wavlm.weights"),
        (Role::Manet, "manet.onnx"),
        (Role::ManetWeights, "manet.weights"),
        (Role::Projector, "projector.onnx"),
        (Role::ProjectorWeights, "projector.weights"),
        (Role::Fusion, "fusion.onnx"),
        (Role::FusionWeights, "fusion.weights"),
    ] {
        writer.add(role, path, origin)?;
    }
    Ok(())
}

fn manifest(sizes: Sizes, writer: &BundleWriter) -> Manifest {
    let audio = AudioSection { sample_rate: 16_000, longest_utterance_s: 30.0 };
    let llm = sizes.llm.map(|llm| LlmSection {
        embedding_length: llm.hidden_size,
        block_count: llm.layers,
        vocab_size: llm.vocab_size,
        context_length: llm.context_length,
        vicuna_7b: false,
    });
    let memory = MemorySection::of(writer.files(), &sizes.wavlm, audio.longest_utterance_s, llm.as_ref());
    Manifest {
        schema: SCHEMA,
        name: sizes.name.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        trained: false,
        statement: "untrained formula weights: scores mean nothing".into(),
        created_by: concat!("mien ", env!("CARGO_PKG_VERSION")).into(),
        method: MethodSection::published(sizes.audio_layer),
        audio,
        face: FaceSection::default(),
        memory,
        wavlm: sizes.wavlm,
        manet: sizes.manet,
        projector: sizes.projector,
        fusion: sizes.fusion,
        llm,
        interval90: Default::default(),
        metrics: Vec::new(),
        files: Vec::new(),
    }
}
