//! `mien-train projector`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use mien_trainer::course::{Pace, Told};
use mien_trainer::projection::{self, ProjectionRequest, WEIGHTS};
use mien_trainer::train;

use super::course::{Teller, tell_finished};
use super::output::{self, shown};
use super::prompt;

/// Train a projector from WavLM to a language model, so that it writes down what is said; both stay as they are.
///
/// Started again, the training goes on where it was stopped and ends in the same bits.
#[derive(Debug, Args)]
pub(crate) struct Projector {
    /// Spoken clips: a table with the columns id, path, split (train, valid) and transcript; a list for extract will do
    #[arg(long, value_name = "CLIPS.csv")]
    clips: PathBuf,
    /// WavLM of the transformers library: pytorch_model.bin or model.safetensors
    #[arg(long, value_name = "FILE")]
    wavlm: PathBuf,
    /// WavLM's sizes as the transformers library writes them [default: config.json beside the weights, if there]
    #[arg(long, value_name = "FILE")]
    wavlm_config: Option<PathBuf>,
    /// The language model, any llama with a SentencePiece vocabulary, in F32, F16 or BF16
    #[arg(long, value_name = "FILE.gguf")]
    llm: PathBuf,
    /// The same language model as the device will run it, to measure word errors with [default: that of --llm]
    #[arg(long, value_name = "FILE.gguf")]
    device_llm: Option<PathBuf>,
    /// Layers of it that llama.cpp puts on a GPU while it is measured
    #[arg(long, value_name = "N", default_value_t = 0)]
    gpu_layers: u32,
    /// Where the projector is made: its folder, or one in which the same training was begun
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// What the language model is asked after it has heard: long or short for the published ones, or a text in which \n is a
    /// line end; best in the form that it was trained to answer
    #[arg(long, value_name = "long|short|TEXT", default_value = "long", value_parser = prompt::prompt)]
    prompt: String,
    /// Width between the projector's two maps
    #[arg(long, value_name = "N", default_value_t = ProjectionRequest::HIDDEN)]
    hidden: usize,
    /// What the networks compute in; the projector's own weights are kept in f32
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    precision: Precision,
    /// Clips of the valid split that are measured, the first ones
    #[arg(long, value_name = "N", default_value_t = ProjectionRequest::MEASURED)]
    measured: usize,
    /// Steps in all
    #[arg(long, value_name = "N", default_value_t = ProjectionRequest::PACE.steps)]
    steps: u64,
    /// Clips of a step
    #[arg(long, value_name = "N", default_value_t = ProjectionRequest::PACE.batch)]
    batch: usize,
    /// Learning rate at its highest
    #[arg(long, value_name = "RATE", default_value_t = ProjectionRequest::PACE.rate)]
    rate: f64,
    /// Steps until it is reached
    #[arg(long, value_name = "N", default_value_t = ProjectionRequest::PACE.warmup)]
    warmup: u64,
    /// Steps between two measures
    #[arg(long, value_name = "N", default_value_t = ProjectionRequest::PACE.measure_every)]
    measure_every: u64,
    /// Steps between two checkpoints: what a stop costs at most
    #[arg(long, value_name = "N", default_value_t = ProjectionRequest::PACE.checkpoint_every)]
    checkpoint_every: u64,
    /// First values and the order of the clips depend on it
    #[arg(long, default_value_t = ProjectionRequest::PACE.seed)]
    seed: u64,
    /// What computes: cpu, or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Precision {
    /// Four bytes for each number: 28 GB for a language model of 7 billion
    F32,
    /// Two bytes
    Bf16,
}

impl Projector {
    pub(crate) fn run(self) -> Result<()> {
        let device = train::device(&self.device)?;
        let (request, out) = self.request();
        let teller = Teller::new();
        let finished = projection::train(&request, &out, &device, &|told: Told| teller.hear(told));
        teller.end();
        tell_finished(&out, &finished?)?;
        let (projector, prompt) = (out.join(WEIGHTS), prompt::as_option(&request.prompt));
        let next = format!("next: mien-train bundle build --projector {} --prompt {prompt}", projector.display());
        output::line(&shown(&next))
    }

    fn request(self) -> (ProjectionRequest, PathBuf) {
        let request = ProjectionRequest {
            clips: self.clips,
            wavlm: self.wavlm,
            wavlm_config: self.wavlm_config,
            llm: self.llm,
            device_llm: self.device_llm,
            gpu_layers: self.gpu_layers,
            prompt: self.prompt,
            hidden: self.hidden,
            precision: match self.precision {
                Precision::F32 => train::Precision::F32,
                Precision::Bf16 => train::Precision::Bf16,
            },
            measured: self.measured,
            pace: Pace {
                seed: self.seed,
                steps: self.steps,
                batch: self.batch,
                rate: self.rate,
                warmup: self.warmup,
                measure_every: self.measure_every,
                checkpoint_every: self.checkpoint_every,
            },
        };
        (request, self.out)
    }
}
