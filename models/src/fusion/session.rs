//! Scoring clips with a fusion graph.

use std::path::Path;

use super::batch::{PaddedLengths, pad};
use super::{FusionConfig, FusionInput, MODALITIES, MODEL, Mia, VIEWS, contract};
use crate::engine::{Input, LoadedGraph, PreparedGraph, Session};
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
    /// r [128], the fused representation.
    pub fused: Tensor,
    /// f [64], the contrastive feature.
    pub contrast: Tensor,
    /// h_t [256], after MIA-1 when text is missing.
    pub text_representation: Tensor,
    /// Query of view t [256].
    pub text_hidden: Tensor,
    /// C_t [7, 128], after MIA-2 when text is missing.
    pub text_cross: Tensor,
    /// Weights of audio, text, video; signed, not normalised.
    pub modality_weights: [f32; MODALITIES],
    /// Weights of the views atv, at, tv, av, a, t, v; signed, not normalised.
    pub view_weights: [f32; VIEWS],
}

impl Fusion {
    /// Loads a graph that [`super::export`] wrote for `config` and prepares it for this machine.
    ///
    /// # Errors
    /// As [`LoadedGraph::load`] and [`LoadedGraph::prepare`].
    pub fn load(path: &Path, config: &FusionConfig) -> Result<Self> {
        config.check()?;
        let graph = LoadedGraph::load(path, contract(config))?.prepare()?;
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

    /// The configuration that the network was loaded with.
    pub fn config(&self) -> &FusionConfig {
        &self.config
    }

    /// Scores `batch`, padded to its longest clip per stream; one output per clip, in order.
    ///
    /// Clips with real and with simulated text may share a batch. With masked padding a clip's result does not depend
    /// on the others; with reference padding it does, as in the authors' code.
    ///
    /// # Errors
    /// [`ModelError::Contract`] for sequences of another width, [`ModelError::NotFinite`], [`ModelError::Engine`]. The
    /// network stays usable.
    pub fn run(&mut self, batch: &[FusionInput<'_>]) -> Result<Vec<FusionOutput>> {
        self.run_padded(batch, PaddedLengths::longest(batch))
    }

    /// As [`Self::run`], padded to `lengths`: with reference padding, the result that each clip would have in any batch
    /// of these lengths.
    ///
    /// # Errors
    /// As [`Self::run`], and [`ModelError::Contract`] for a clip longer than `lengths`.
    pub fn run_padded(&mut self, batch: &[FusionInput<'_>], lengths: PaddedLengths) -> Result<Vec<FusionOutput>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let streams = pad(batch, lengths, &self.config)?;
        let missing: Vec<bool> = batch.iter().map(|clip| clip.text_missing).collect();
        let missing_shape = [batch.len()];
        let features = streams.iter().map(|s| Input::F32(&s.shape, &s.rows));
        let masks = streams.iter().map(|s| Input::Bool(&s.shape[..2], &s.mask));
        let flows = (self.config.mia == Mia::On).then_some(Input::Bool(&missing_shape, &missing));
        let inputs: Vec<Input<'_>> = features.chain(masks).chain(flows).collect();
        let outputs: [Tensor; 8] = self.session.run(&inputs)?.try_into().map_err(|o: Vec<Tensor>| lacking(o.len()))?;
        (0..batch.len()).map(|i| clip_output(&outputs, i).ok_or_else(|| lacking(i))).collect()
    }
}

/// Clip `i` of the graph's outputs [B, ..], in the order of the contract.
fn clip_output(outputs: &[Tensor; 8], i: usize) -> Option<FusionOutput> {
    let [valence, fused, contrast, representation, hidden, cross, modality, view] = outputs;
    Some(FusionOutput {
        valence: *clip_values(valence, i)?.first()?,
        fused: clip_tensor(fused, i)?,
        contrast: clip_tensor(contrast, i)?,
        text_representation: clip_tensor(representation, i)?,
        text_hidden: clip_tensor(hidden, i)?,
        text_cross: clip_tensor(cross, i)?,
        modality_weights: clip_values(modality, i)?.try_into().ok()?,
        view_weights: clip_values(view, i)?.try_into().ok()?,
    })
}

fn clip_values(batch: &Tensor, i: usize) -> Option<&[f32]> {
    let size: usize = batch.shape().get(1..)?.iter().product();
    batch.data().get(i * size..(i + 1) * size)
}

fn clip_tensor(batch: &Tensor, i: usize) -> Option<Tensor> {
    Tensor::new(batch.shape().get(1..)?, clip_values(batch, i)?.to_vec()).ok()
}

fn lacking(found: usize) -> ModelError {
    ModelError::Contract {
        model: MODEL.into(),
        tensor: "outputs".into(),
        expected: "eight tensors with one entry per clip".into(),
        found: format!("entries up to {found} only"),
    }
}
