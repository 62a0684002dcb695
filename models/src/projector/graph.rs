//! The projector as an ONNX file.

use std::path::Path;

use super::config::ProjectorConfig;
use crate::Result;
use crate::engine::{GraphContract, TensorContract, described};
use crate::onnx::{Dim, Dtype, Graph};
use crate::tensor::NamedTensors;

/// Writes the projector to `path` (`*.onnx`, weights beside it).
///
/// Input `frames` f32 [N, k x encoder width]: k consecutive frames side by side in the order of time. Output `rows` f32
/// [N, llm width].
///
/// # Errors
/// [`crate::ModelError::Config`], [`crate::ModelError::Io`], and the errors of [`NamedTensors::get`].
pub fn build(config: &ProjectorConfig, tensors: &NamedTensors, path: &Path) -> Result<()> {
    config.validate()?;
    let ProjectorConfig { hidden, llm_width, .. } = *config;
    let width = config.input_width();
    let mut g = Graph::create(path, "projector")?;
    g.describe(contract(config).description);
    let frames = g.input("frames", Dtype::F32, &[Dim::Named("N"), Dim::Fixed(width)]);
    let inner = g.scoped("linear1", |g| {
        let weight = tensors.get("linear1.weight", &[hidden, width])?;
        let y = g.linear(&frames, &weight, &tensors.get("linear1.bias", &[hidden])?, width)?;
        Ok(g.relu(&y))
    })?;
    let rows = g.scoped("linear2", |g| {
        let weight = tensors.get("linear2.weight", &[llm_width, hidden])?;
        g.linear(&inner, &weight, &tensors.get("linear2.bias", &[llm_width])?, hidden)
    })?;
    g.output("rows", &rows, Dtype::F32, &[Dim::Named("N"), Dim::Fixed(llm_width)]);
    g.finish()
}

/// What a runner of a file written by [`build`] relies on.
pub fn contract(config: &ProjectorConfig) -> GraphContract {
    GraphContract {
        model: "projector",
        inputs: vec![TensorContract::f32("frames", [None, Some(config.input_width())])],
        outputs: vec![TensorContract::f32("rows", [None, Some(config.llm_width)])],
        description: vec![described(config)],
    }
}
