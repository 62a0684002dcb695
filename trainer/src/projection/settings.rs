//! What a projector is trained on, and how.

use std::path::PathBuf;

use crate::course::Pace;
use crate::train::Precision;

/// Files, sizes and pace.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectionRequest {
    /// The list of spoken clips: a table with the columns id, path, split and transcript.
    pub clips: PathBuf,
    /// WavLM in the transformers format.
    pub wavlm: PathBuf,
    /// Its `config.json`; none for the one beside it, if there is one.
    pub wavlm_config: Option<PathBuf>,
    /// The language model whose weights gradients pass through: a llama in floats, GGUF.
    pub llm: PathBuf,
    /// The same language model as a device will run it, quantised; none for the same file. It has the tokens, and writes
    /// down the clips that are measured.
    pub device_llm: Option<PathBuf>,
    /// Layers of the latter that llama.cpp puts on a GPU.
    pub gpu_layers: u32,
    /// What the language model is asked after it has heard; a bundle of the projector has to ask the same.
    pub prompt: String,
    /// Width between the projector's two maps.
    pub hidden: usize,
    /// What the networks compute in; the projector's own weights are kept in f32.
    pub precision: Precision,
    /// Clips of the valid split that are measured, the first ones.
    pub measured: usize,
    /// Length and speed.
    pub pace: Pace,
}

impl ProjectionRequest {
    /// Width between the maps of the published projector.
    pub const HIDDEN: usize = 2048;
    /// Clips that are measured if nothing else is said.
    pub const MEASURED: usize = 100;
    /// The published rate; steps for some hundred hours of speech.
    pub const PACE: Pace = Pace {
        seed: 1,
        steps: 100_000,
        batch: 4,
        rate: 1e-4,
        warmup: 1000,
        measure_every: 2000,
        checkpoint_every: 500,
    };
}
