//! The networks of a bundle, each to be moved to the thread that runs it.

use std::sync::Arc;
use std::time::Instant;

use mien_models::bundle::{Bundle, Manifest, Role};
use mien_models::engine::set_threads;
use mien_models::fusion::{Fusion, FusionInput, FusionOutput};
use mien_models::tensor::Tensor;
use mien_models::wavlm::WavlmFeatures;

use super::hear::Ear;
use super::read::{Reader, Reading};
use super::see::{Eye, Optics};
use super::{LoadTime, ScorerSettings};
use crate::mode::{Mode, Presence, TextMode};
use crate::record::BundleMark;
use crate::rung::Rung;
use crate::speech::SegmentSettings;
use crate::{Result, RuntimeError};

/// What is known of the bundle in use.
#[derive(Clone, Debug)]
pub struct BundleFacts {
    /// Sizes and switches.
    pub manifest: Manifest,
    /// Name and digest, as records carry them.
    pub mark: BundleMark,
    /// Which of its networks are loaded; before any is, the highest that it has them for.
    pub rung: Rung,
}

impl BundleFacts {
    /// What there is to know of `bundle` before its networks are loaded.
    pub fn of(bundle: &Bundle) -> Self {
        let manifest = bundle.manifest().clone();
        let mark = BundleMark {
            name: manifest.name.clone(),
            digest: bundle.digest().to_owned(),
            trained: manifest.trained,
            statement: statement(&manifest),
        };
        let rung = Rung::highest(&manifest);
        Self { manifest, mark, rung }
    }

    /// What every output of this bundle must say; `None` for trained weights without a statement.
    pub fn statement(&self) -> Option<&str> {
        self.mark.statement.as_deref()
    }

    /// Speech segmentation as this bundle wants it.
    pub fn segment_settings(&self) -> SegmentSettings {
        SegmentSettings { longest_s: self.manifest.audio.longest_utterance_s, ..Default::default() }
    }
}

/// What the manifest says of its networks; of untrained ones something is said in any case.
fn statement(manifest: &Manifest) -> Option<String> {
    let untrained = || (!manifest.trained).then(|| "untrained weights: scores mean nothing".to_owned());
    Some(&manifest.statement).filter(|said| !said.is_empty()).cloned().or_else(untrained)
}

/// The networks of a bundle that its rung has, loaded.
pub(crate) struct Networks {
    pub(crate) facts: Arc<BundleFacts>,
    pub(crate) ear: Ear,
    /// What sees; none where only voices are heard.
    pub(crate) optics: Option<Optics>,
    pub(crate) reader: Option<Reader>,
    pub(crate) fuser: Fuser,
    pub(crate) load_times: Vec<LoadTime>,
}

impl Networks {
    /// Loads the networks of a verified bundle.
    ///
    /// # Errors
    /// [`RuntimeError::Bundle`] when a network cannot be loaded; [`RuntimeError::Request`] when the rung has a language model
    /// and the bundle has none; [`RuntimeError::Gpu`] when layers of it cannot be put on a GPU.
    pub(crate) fn open(bundle: &Bundle, settings: &ScorerSettings) -> Result<Self> {
        set_threads(settings.threads);
        let rung = settings.rung;
        let facts = BundleFacts { rung, ..BundleFacts::of(bundle) };
        let mut load_times = Vec::new();
        let mut timed = |stage, start: Instant| load_times.push(LoadTime { stage, time: start.elapsed() });
        let start = Instant::now();
        let ear = Ear::open(bundle)?;
        timed("wavlm", start);
        let start = Instant::now();
        let optics = if rung.has_face() { Some(Optics::open(bundle, settings.threads)?) } else { None };
        if optics.is_some() {
            timed("manet", start);
        }
        let start = Instant::now();
        let reader = if rung.has_llm() { Some(Reader::open(bundle, settings)?) } else { None };
        if reader.is_some() {
            timed("llm", start);
        }
        let start = Instant::now();
        let fusion = bundle
            .graph(Role::Fusion)
            .and_then(|graph| Fusion::load(graph, &facts.manifest.fusion))
            .map_err(RuntimeError::Bundle)?;
        timed("fusion", start);
        let fuser = Fuser { fusion };
        Ok(Self { facts: Arc::new(facts), ear, optics, reader, fuser, load_times })
    }

    /// Holds that what only one thread can make can be made.
    ///
    /// # Errors
    /// [`RuntimeError::Bundle`] for a face detector that cannot be used.
    pub(crate) fn check(&self) -> Result<()> {
        self.optics.as_ref().map_or(Ok(()), |optics| optics.tracker().map(drop))
    }
}

/// The last stage: rows of three modalities to a valence.
pub(crate) struct Fuser {
    fusion: Fusion,
}

impl Fuser {
    /// The same network for another thread; weights are shared.
    pub(crate) fn fork(&self) -> Result<Self> {
        Ok(Self { fusion: self.fusion.fork().map_err(RuntimeError::stage("fusion"))? })
    }

    /// Throws away everything that utterances left in the working memory.
    pub(crate) fn renew(&mut self) -> Result<()> {
        self.fusion.renew().map_err(RuntimeError::stage("fusion"))
    }

    /// Fuses what was heard, read and seen; `faces` [rows, width].
    pub(crate) fn fuse(
        &mut self,
        heard: Option<&WavlmFeatures>,
        read: &Reading,
        faces: &Tensor,
    ) -> Result<(FusionOutput, Mode)> {
        let no_audio = Tensor::zeros([0, self.fusion.config().audio]);
        let input = FusionInput {
            audio: heard.map_or(&no_audio, |h| &h.audio),
            text: &read.rows,
            video: faces,
            text_missing: read.mode != TextMode::Real,
        };
        let mut outputs = self.fusion.run(&[input]).map_err(RuntimeError::stage("fusion"))?;
        let Some(output) = outputs.pop() else {
            return Err(RuntimeError::Request {
                what: "fusion".into(),
                reason: "no output for one utterance, expected one; please report this".into(),
            });
        };
        let mode = Mode { audio: Presence::of(heard.is_some()), text: read.mode, face: Presence::of(faces.rows() > 0) };
        Ok((output, mode))
    }

    /// Text rows of an utterance without text.
    pub(crate) fn no_text(&self) -> Reading {
        Reading::absent(self.fusion.config().text)
    }
}

/// An eye on the thread that will use it.
pub(crate) fn eye(optics: Optics) -> Result<Eye> {
    let tracker = optics.tracker()?;
    Ok(Eye::new(optics, tracker))
}
