//! Embedding faces with an MA-Net graph.

use super::graph::BATCH;
use super::{FACE_CHANNELS, FACE_SIDE, MODEL, ManetConfig, contract};
use crate::engine::{GraphSource, Input, LoadedGraph, OperatorTime, PreparedGraph, Session};
use crate::tensor::Tensor;
use crate::{ModelError, Result};

/// Axis lengths of one run.
const FACE: [usize; 4] = [1, FACE_CHANNELS, FACE_SIDE, FACE_SIDE];

/// An MA-Net, ready to run; belongs to one thread at a time.
///
/// Faces run one by one: the plan is made for a single face, which is faster per face than any batch and makes a
/// face's numbers independent of its neighbours.
pub struct Manet {
    config: ManetConfig,
    graph: PreparedGraph,
    session: Session,
}

/// What the network gives for N faces.
#[derive(Clone, Debug, PartialEq)]
pub struct ManetOutput {
    /// [N, 16 width]: local branch, then global branch. One row is a video row of the fusion.
    pub embedding: Tensor,
    /// [N, classes]: scores of the local branch, before any softmax.
    pub logits_1: Tensor,
    /// [N, classes]: scores of the global branch, before any softmax.
    pub logits_2: Tensor,
}

impl Manet {
    /// Loads a graph that [`super::build`] wrote for `config` and prepares it for this machine.
    ///
    /// # Errors
    /// As [`LoadedGraph::load`] and [`LoadedGraph::prepare`].
    pub fn load<'a>(source: impl Into<GraphSource<'a>>, config: &ManetConfig) -> Result<Self> {
        config.validate()?;
        let graph = LoadedGraph::load(source, contract(config))?.with_length(BATCH, 1)?.prepare()?;
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

    /// Throws away everything that faces left in the working memory.
    ///
    /// # Errors
    /// [`ModelError::Engine`].
    pub fn renew(&mut self) -> Result<()> {
        self.session.renew()
    }

    /// The configuration that the network was loaded with.
    pub fn config(&self) -> &ManetConfig {
        &self.config
    }

    /// Runs every face of `faces` [N, 3, 224, 224], RGB in [0, 1]; N = 0 gives empty tensors.
    ///
    /// # Errors
    /// [`ModelError::Contract`] for another shape, [`ModelError::NotFinite`], [`ModelError::Engine`]. The network stays
    /// usable.
    pub fn run(&mut self, faces: &Tensor) -> Result<ManetOutput> {
        let count = match *faces.shape() {
            [n, FACE_CHANNELS, FACE_SIDE, FACE_SIDE] => n,
            _ => return Err(self.refused("face", format!("[N, 3, {FACE_SIDE}, {FACE_SIDE}]"), faces.shape())),
        };
        if let Some((index, value)) = faces.first_not_finite() {
            return Err(ModelError::NotFinite { origin: MODEL.into(), what: "face".into(), index, value });
        }
        let mut embedding = Vec::with_capacity(count * self.config.embedding());
        let mut logits_1 = Vec::with_capacity(count * self.config.classes);
        let mut logits_2 = Vec::with_capacity(count * self.config.classes);
        for face in faces.data().chunks_exact(FACE.iter().product()) {
            let outputs = self.session.run(&[Input::F32(&FACE, face)])?;
            let [e, l1, l2] = outputs.as_slice() else {
                return Err(self.refused("outputs", "three tensors".into(), &[outputs.len()]));
            };
            embedding.extend_from_slice(e.data());
            logits_1.extend_from_slice(l1.data());
            logits_2.extend_from_slice(l2.data());
        }
        Ok(ManetOutput {
            embedding: Tensor::new([count, self.config.embedding()], embedding)?,
            logits_1: Tensor::new([count, self.config.classes], logits_1)?,
            logits_2: Tensor::new([count, self.config.classes], logits_2)?,
        })
    }

    /// The time of each kind of operator for one face [1, 3, 224, 224].
    ///
    /// # Errors
    /// As [`Manet::run`].
    pub fn profile(&mut self, face: &Tensor) -> Result<Vec<OperatorTime>> {
        Ok(self.session.run_profiled(&[face.into()])?.1)
    }

    fn refused(&self, tensor: &str, expected: String, found: &[usize]) -> ModelError {
        ModelError::Contract { model: MODEL.into(), tensor: tensor.into(), expected, found: format!("{found:?}") }
    }
}
