//! Scoring clips with a fusion graph.

use super::clip::{PaddedLengths, streams};
use super::{FusionConfig, FusionInput, MODALITIES, MODEL, Mia, VIEWS, contract};
use crate::engine::{GraphSource, Input, LoadedGraph, PreparedGraph, Session};
use crate::tensor::Tensor;
use crate::{ModelError, Result};

/// A fusion network, ready to score; belongs to one thread at a time.
pub struct Fusion {
    config: FusionConfig,
    graph: PreparedGraph,
    session: Session,
}

/// What the network gives for one clip.
#[derive(Clone, Debug, PartialEq)]
pub struct FusionOutput {
    /// Valence, nominally in [-3, 3], not clamped.
    pub valence: f32,
    /// r `[D / 2]`, the fused representation.
    pub fused: Tensor,
    /// f `[D / 4]`, the contrastive feature.
    pub contrast: Tensor,
    /// h_t `[D]`, after MIA-1 when text is missing.
    pub text_representation: Tensor,
    /// Query of view t `[D]`.
    pub text_hidden: Tensor,
    /// C_t [7, D / 2], after MIA-2 when text is missing.
    pub text_cross: Tensor,
    /// Weights of audio, text, video; signed, not normalised.
    pub modality_weights: [f32; MODALITIES],
    /// Weights of the views atv, at, tv, av, a, t, v; signed, not normalised.
    pub view_weights: [f32; VIEWS],
}

impl Fusion {
    /// Loads a graph that [`super::build`] wrote for `config` and prepares it for this machine.
    ///
    /// # Errors
    /// As [`LoadedGraph::load`] and [`LoadedGraph::prepare`].
    pub fn load<'a>(source: impl Into<GraphSource<'a>>, config: &FusionConfig) -> Result<Self> {
        config.validate()?;
        let graph = LoadedGraph::load(source, contract(config))?.prepare()?;
        let session = graph.session()?;
        Ok(Self { config: *config, graph, session })
    }

    /// The same network with its own working memory, for another thread; weights are shared.
    ///
    /// # Errors
    /// [`ModelError::Engine`].
    pub fn fork(&self) -> Result<Self> {
        Ok(Self { config: self.config, graph: self.graph.clone(), session: self.graph.session()? })
    }

    /// Throws away everything that clips left in the working memory.
    ///
    /// # Errors
    /// [`ModelError::Engine`].
    pub fn renew(&mut self) -> Result<()> {
        self.session.renew()
    }

    /// The configuration that the network was loaded with.
    pub fn config(&self) -> &FusionConfig {
        &self.config
    }

    /// Scores `batch`, one output per clip, in order. Clips with real and with simulated text may share a batch.
    ///
    /// With masked padding a clip's result does not depend on the others. With reference padding each stream is filled
    /// up to the batch's longest clip and the result depends on it, as in the authors' code.
    ///
    /// # Errors
    /// [`ModelError::Contract`] for sequences of another width, [`ModelError::NotFinite`], [`ModelError::Engine`]. The
    /// network stays usable.
    pub fn run(&mut self, batch: &[FusionInput<'_>]) -> Result<Vec<FusionOutput>> {
        self.run_padded(batch, PaddedLengths::longest(batch))
    }

    /// As [`Self::run`] for clips of a batch whose longest streams have `lengths`; with masked padding the lengths
    /// change nothing.
    ///
    /// # Errors
    /// As [`Self::run`], and [`ModelError::Contract`] for a clip longer than `lengths`.
    pub fn run_padded(&mut self, batch: &[FusionInput<'_>], lengths: PaddedLengths) -> Result<Vec<FusionOutput>> {
        // Clip by clip, at exact lengths: rounding differs between matrix shapes, so only this makes a clip's numbers
        // independent of its neighbours to the last bit. No time is lost to padding.
        batch.iter().enumerate().map(|(i, clip)| self.score(i, clip, lengths)).collect()
    }

    fn score(&mut self, index: usize, clip: &FusionInput<'_>, lengths: PaddedLengths) -> Result<FusionOutput> {
        let streams = streams(index, clip, lengths, &self.config)?;
        let missing = [clip.text_missing];
        let features = streams.iter().map(|s| Input::F32(&s.shape, &s.rows));
        let masks = streams.iter().map(|s| Input::Bool(&s.shape[..2], &s.mask));
        let flow = (self.config.mia == Mia::On).then_some(Input::Bool(&[1], &missing));
        let inputs: Vec<Input<'_>> = features.chain(masks).chain(flow).collect();
        output(self.session.run(&inputs)?)
    }
}

/// The graph's outputs [1, ..] in the order of the contract.
fn output(tensors: Vec<Tensor>) -> Result<FusionOutput> {
    let count = tensors.len();
    let [valence, fused, contrast, representation, hidden, cross, modality, view]: [Tensor; 8] =
        tensors.try_into().map_err(|_| unexpected("outputs", "8 tensors", &[count]))?;
    Ok(FusionOutput {
        valence: numbers::<1>("valence", &valence)?[0],
        fused: without_batch(fused)?,
        contrast: without_batch(contrast)?,
        text_representation: without_batch(representation)?,
        text_hidden: without_batch(hidden)?,
        text_cross: without_batch(cross)?,
        modality_weights: numbers("modality_weights", &modality)?,
        view_weights: numbers("view_weights", &view)?,
    })
}

fn numbers<const N: usize>(name: &str, tensor: &Tensor) -> Result<[f32; N]> {
    tensor.data().try_into().map_err(|_| unexpected(name, "one clip", tensor.shape()))
}

fn without_batch(tensor: Tensor) -> Result<Tensor> {
    let shape = tensor.shape().get(1..).unwrap_or_default().to_vec();
    tensor.reshaped(shape)
}

fn unexpected(tensor: &str, expected: &str, found: &[usize]) -> ModelError {
    ModelError::Contract {
        model: MODEL.into(),
        tensor: tensor.into(),
        expected: expected.into(),
        found: format!("{found:?}"),
    }
}
