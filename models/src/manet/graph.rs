//! The network as an ONNX graph.

use std::path::Path;

use super::layout::{QUADRANTS, common, global, local};
use super::maps::{Builder, Convolution, Maps, RELU};
use super::parameters::WIDE_KERNEL;
use super::standard::Standard;
use super::{FACE_CHANNELS, FACE_SIDE, MAP_SIDE, MODEL, ManetConfig};
use crate::Result;
use crate::engine::{GraphContract, TensorContract, described};
use crate::onnx::{Dim, Dtype, Graph, Value};
use crate::tensor::NamedTensors;

/// The name of the batch axis.
pub(super) const BATCH: &str = "N";

/// What the graph takes and gives.
///
/// Input: `face` [N, 3, 224, 224] f32, RGB in [0, 1], neither centred nor scaled. Outputs, f32: `embedding`
/// [N, 16 width], local branch then global branch; `logits_1` [N, classes] of the local branch, `logits_2`
/// [N, classes] of the global branch.
pub fn contract(config: &ManetConfig) -> GraphContract {
    GraphContract {
        model: MODEL,
        inputs: vec![TensorContract::f32("face", [None, Some(FACE_CHANNELS), Some(FACE_SIDE), Some(FACE_SIDE)])],
        outputs: vec![
            TensorContract::f32("embedding", [None, Some(config.embedding())]),
            TensorContract::f32("logits_1", [None, Some(config.classes)]),
            TensorContract::f32("logits_2", [None, Some(config.classes)]),
        ],
        description: vec![described(config)],
    }
}

/// Writes the network to `path` (`*.onnx`, weights beside it); see [`contract`] for what it takes and gives.
///
/// `tensors` come from [`super::recognise`] or have the names of [`super::parameters()`]. One tensor at a time is in memory.
///
/// # Errors
/// [`crate::ModelError::Config`] for sizes that cannot be, [`crate::ModelError::Io`], the errors of
/// [`NamedTensors::get`], and [`crate::ModelError::Contract`] for a negative variance.
pub fn build(config: &ManetConfig, tensors: &NamedTensors, path: &Path) -> Result<()> {
    write(config, tensors, Standard, path)
}

/// Writes the network in `operators`.
pub(super) fn write<O>(config: &ManetConfig, tensors: &NamedTensors, operators: O, path: &Path) -> Result<()>
where
    for<'a> Builder<'a, O>: Maps,
{
    config.validate()?;
    let mut graph = Graph::create(path, MODEL)?;
    graph.describe(contract(config).description);
    let mut builder = Builder { graph, tensors, operators };
    builder.network(config)?;
    builder.graph.finish()
}

impl<O> Builder<'_, O>
where
    Self: Maps,
{
    fn network(&mut self, config: &ManetConfig) -> Result<()> {
        let batch = Dim::Named(BATCH);
        let side = Dim::Fixed(FACE_SIDE);
        let face = self.graph.input("face", Dtype::F32, &[batch, Dim::Fixed(FACE_CHANNELS), side, side]);
        let x = self.map_of_face(&face);
        let stem = Convolution {
            name: "conv1",
            norm: "bn1",
            inputs: FACE_CHANNELS,
            outputs: config.width,
            kernel: WIDE_KERNEL,
            stride: 2,
        };
        let x = self.conv(stem, &x, RELU)?;
        let x = self.max_pool(&x, 3, 2, 1);
        let map = self.stages(&common(config), &x)?;

        let local = self.local_branch(config, &map)?;
        let whole = self.stages(&global(config), &map)?;
        let whole = self.graph.mean(&whole, &Self::PLACES, false);
        let embedding = self.graph.concat(&[&local, &whole], -1);
        let logits_1 = self.linear("fc_1", &local, config.branch(), config.classes)?;
        let logits_2 = self.linear("fc_2", &whole, config.branch(), config.classes)?;

        let classes = Dim::Fixed(config.classes);
        self.graph.output("embedding", &embedding, Dtype::F32, &[batch, Dim::Fixed(config.embedding())]);
        self.graph.output("logits_1", &logits_1, Dtype::F32, &[batch, classes]);
        self.graph.output("logits_2", &logits_2, Dtype::F32, &[batch, classes]);
        Ok(())
    }

    /// Mean over the four quadrants' maps, [N, 8 width]; equal in size, so it is the mean of their means.
    fn local_branch(&mut self, config: &ManetConfig, map: &Value) -> Result<Value> {
        let half = MAP_SIDE / 2;
        let [vertical, horizontal] = Self::PLACES;
        let mut sum: Option<Value> = None;
        for q in 0..QUADRANTS {
            // Reading order: top left, top right, bottom left, bottom right.
            let (top, left) = (half * (q as i64 / 2), half * (q as i64 % 2));
            let quadrant = self.graph.slice(map, vertical, top, top + half);
            let quadrant = self.graph.slice(&quadrant, horizontal, left, left + half);
            let features = self.stages(&local(config, q), &quadrant)?;
            let mean = self.graph.mean(&features, &Self::PLACES, false);
            sum = Some(match sum {
                None => mean,
                Some(sum) => self.graph.add(&sum, &mean),
            });
        }
        let share = self.graph.scalar("quadrant_share", 1.0 / QUADRANTS as f32);
        Ok(sum.map_or(share.clone(), |sum| self.graph.mul(&sum, &share)))
    }
}
