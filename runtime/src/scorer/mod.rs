//! One utterance through every part of the method: hear, see, read, fuse.

mod features;
mod hear;
mod networks;
mod read;
mod see;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

use mien_capture::{Pictures, Span};
use mien_models::bundle::Bundle;
use mien_models::engine::OperatorTime;
use mien_models::llama::Landing;
use mien_models::tensor::Tensor;
use mien_models::wavlm::WavlmFeatures;

use crate::Result;
use crate::record::{BundleMark, Latency, Record};
use crate::rung::{LlmUse, Rung};
use crate::speech::SegmentSettings;

pub use features::Features;
pub(crate) use hear::Ear;
pub use networks::BundleFacts;
pub(crate) use networks::{Fuser, Networks, eye};
pub(crate) use read::Reader;
use read::Reading;
pub(crate) use see::{Eye, Optics};
pub use verdict::Score;

/// How the networks are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScorerSettings {
    /// Threads for matrix products.
    pub threads: usize,
    /// Threads of the language model.
    pub llm_threads: usize,
    /// Positions of the language model's context; the model's own limit may be lower.
    pub llm_context: usize,
    /// Layers of the language model to put on GPUs, from its end (the output layer is one, each block is one); more than it
    /// has means all, 0 the processor alone. What cannot be put there is an error.
    pub gpu_layers: u32,
    /// Which networks are loaded.
    pub rung: Rung,
}

impl ScorerSettings {
    /// How the language model is run, as far as memory depends on it.
    pub fn llm_use(&self) -> LlmUse {
        LlmUse { context: self.llm_context, gpu_layers: self.gpu_layers }
    }
}

/// One utterance to score.
#[derive(Debug)]
pub struct Utterance<'a> {
    /// Its sound: mono, 16 kHz, [-1, 1].
    pub samples: Option<&'a [f32]>,
    /// The clip's pictures, and the part of them that belongs to the utterance (all where `None`).
    pub pictures: Option<(&'a Pictures, Option<Span>)>,
    /// Its text.
    pub text: TextInput,
}

/// Where an utterance's text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextInput {
    /// The transcript.
    Real(String),
    /// Simulated from sound.
    Simulate,
    /// None.
    Absent,
}

/// Time to load and prepare one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadTime {
    /// The network.
    pub stage: &'static str,
    /// Wall-clock time.
    pub time: Duration,
}

/// The networks of a bundle that its rung has, loaded; one utterance at a time.
pub struct Scorer {
    facts: Arc<BundleFacts>,
    ear: Ear,
    eye: Option<Eye>,
    reader: Option<Reader>,
    fuser: Fuser,
    load_times: Vec<LoadTime>,
}

impl Scorer {
    /// Loads the networks of a verified bundle.
    ///
    /// # Errors
    /// [`crate::RuntimeError::Bundle`] when a network cannot be loaded; [`crate::RuntimeError::Request`] when the rung has a
    /// language model and the bundle has none; [`crate::RuntimeError::Gpu`] when layers of it cannot be put on a GPU.
    pub fn open(bundle: &Bundle, settings: &ScorerSettings) -> Result<Self> {
        let Networks { facts, ear, optics, reader, fuser, load_times } = Networks::open(bundle, settings)?;
        Ok(Self { facts, ear, eye: optics.map(eye).transpose()?, reader, fuser, load_times })
    }

    /// What each network's loading cost.
    pub fn load_times(&self) -> &[LoadTime] {
        &self.load_times
    }

    /// Where the language model's layers lie; `None` without one.
    pub fn landing(&self) -> Option<&Landing> {
        self.reader.as_ref().map(Reader::landing)
    }

    /// What is known of the bundle.
    pub fn facts(&self) -> &BundleFacts {
        &self.facts
    }

    /// The bundle's name and digest.
    pub fn mark(&self) -> &BundleMark {
        &self.facts.mark
    }

    /// What every output of this bundle must say; `None` for trained weights without a statement.
    pub fn statement(&self) -> Option<&str> {
        self.facts.statement()
    }

    /// Speech segmentation as this bundle wants it.
    pub fn segment_settings(&self) -> SegmentSettings {
        self.facts.segment_settings()
    }

    /// Scores one utterance. Nothing is kept from the utterance before.
    ///
    /// # Errors
    /// [`crate::RuntimeError::Stage`] naming the stage; [`crate::RuntimeError::Clip`] for a picture that cannot be decoded;
    /// [`crate::RuntimeError::Transcript`] for a transcript that does not fit the language model.
    pub fn score(&mut self, utterance: Utterance<'_>) -> Result<Score> {
        let mut notes = Vec::new();
        let mut latency = Latency::default();

        let start = Instant::now();
        let heard = self.hear(&utterance)?;
        latency.wavlm = millis(start);

        let start = Instant::now();
        let rows = self.see(&utterance)?;
        latency.manet = millis(start);

        let start = Instant::now();
        let read = self.read(&utterance.text, heard.as_ref())?;
        latency.llm = millis(start);
        notes.extend(read.note.clone());

        let start = Instant::now();
        let (output, mode) = self.fuser.fuse(heard.as_ref(), &read, &rows)?;
        latency.fusion = millis(start);
        Ok(Score { output, mode, transcript: read.transcript, latency, notes })
    }

    /// What WavLM makes of the utterance's sound.
    fn hear(&mut self, utterance: &Utterance<'_>) -> Result<Option<WavlmFeatures>> {
        utterance.samples.map(|samples| self.ear.hear(samples)).transpose()
    }

    /// Face rows of the utterance's pictures; none without pictures, or without networks for faces.
    fn see(&mut self, utterance: &Utterance<'_>) -> Result<Tensor> {
        match (&mut self.eye, utterance.pictures) {
            (Some(eye), Some((pictures, span))) => eye.see(pictures.within(span), pictures.count()),
            _ => Ok(Tensor::zeros([0, self.facts.manifest.manet.embedding()])),
        }
    }

    /// Text rows of `text`; none without a language model.
    fn read(&mut self, text: &TextInput, heard: Option<&WavlmFeatures>) -> Result<Reading> {
        match &mut self.reader {
            Some(reader) => reader.read(text, heard.map(|h| &h.last)),
            None => Ok(self.fuser.no_text()),
        }
    }

    /// Whether any of `pictures` shows a face; without networks for faces none does.
    ///
    /// # Errors
    /// [`crate::RuntimeError::Clip`] for a picture that cannot be decoded.
    pub fn sees_a_face(&mut self, pictures: &Pictures) -> Result<bool> {
        self.eye.as_mut().map_or(Ok(false), |eye| eye.sees_a_face(pictures.frames()))
    }

    /// The record of a stretch in which there is nothing to score.
    pub fn nothing_to_score(&self, seq: u64, file: &str, span: Span, why: &str) -> Record {
        Record {
            schema: crate::record::SCHEMA,
            seq,
            revision: 1,
            file: file.into(),
            start_s: span.start().as_secs_f64(),
            end_s: span.end().as_secs_f64(),
            valence: None,
            interval90: None,
            mode: None,
            rung: self.facts.rung,
            weights: None,
            views: None,
            transcript: None,
            latency_ms: None,
            live: None,
            bundle: self.facts.mark.clone(),
            dropped: Default::default(),
            notes: vec![why.into()],
        }
    }

    /// The bundle in a few lines for people.
    pub fn summary(&self) -> Vec<String> {
        let m = &self.facts.manifest;
        let mut lines = vec![
            format!("bundle  {} {}  sha256 {}", m.name, m.version, self.facts.mark.digest),
            format!(
                "WavLM   {} blocks, width {}; audio rows from block {}",
                m.wavlm.layers, m.wavlm.hidden, m.method.audio_layer
            ),
            format!("MA-Net  {} numbers per face", m.manet.embedding()),
            format!("rung    {}", self.facts.rung),
            format!(
                "fusion  audio {}, text {}, video {}; MIA {:?}",
                m.fusion.audio, m.fusion.text, m.fusion.video, m.fusion.mia
            ),
        ];
        lines.extend(self.landing().map(|landing| format!("LLM     {landing}")));
        lines.extend(self.statement().map(|s| format!("NOTE    {s}")));
        lines
    }

    /// Runs WavLM alone on `samples` and gives the time of each operator kind.
    ///
    /// # Errors
    /// [`crate::RuntimeError::Stage`].
    pub fn profile_wavlm(&mut self, samples: &[f32]) -> Result<Vec<OperatorTime>> {
        self.ear.profile(samples)
    }
}

fn millis(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
