//! MA-Net in bytes against MA-Net in floats.

use std::path::Path;

use mien_models::manet::{self, FloatLayers, Manet, ManetConfig, ManetOutput};
use mien_models::tensor::{NamedTensors, Tensor};

use crate::noise::{self, LayerNoise};
use crate::{QuantizeError, Result, Similarity};

/// What was compared: the network gives out no inner state, so its two branches stand for the layers before them.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The local branch's half of the embedding.
    pub local: Similarity,
    /// The global branch's half of the embedding.
    pub global: Similarity,
    /// Scores of expressions of both branches.
    pub logits: Similarity,
    /// Faces that went through both networks.
    pub faces: usize,
}

/// Weights of every byte layer.
///
/// # Errors
/// Model.
pub fn weights(config: &ManetConfig, tensors: &NamedTensors) -> Result<Vec<LayerNoise>> {
    noise::of_manet(config, tensors)
}

/// Runs both networks on `faces` [N, 3, 224, 224]. Both graphs are written into the empty folder `folder` for this.
///
/// # Errors
/// Model; [`QuantizeError::Setting`] without faces.
pub fn compare(
    config: &ManetConfig,
    tensors: &NamedTensors,
    floats: &FloatLayers,
    faces: &Tensor,
    folder: &Path,
) -> Result<Comparison> {
    let count = faces.shape().first().copied().unwrap_or(0);
    if count == 0 {
        let reason = "expected at least one face to compare the networks on, found none".into();
        return Err(QuantizeError::Setting { key: "calibration", reason });
    }
    let (float, byte) = (folder.join("float.onnx"), folder.join("byte.onnx"));
    manet::build_fused(config, tensors, &float)?;
    let expected = Manet::load(&float, config)?.run(faces)?;
    manet::build_quantised(config, tensors, floats, &byte)?;
    let found = Manet::load(&byte, config)?.run(faces)?;
    let half = |output: &ManetOutput, branch: usize| -> Vec<f32> {
        let width = config.embedding() / 2;
        let rows = output.embedding.data().chunks_exact(2 * width);
        rows.flat_map(|row| row.iter().skip(branch * width).take(width).copied()).collect()
    };
    let similarity = |what: &str, a: &[f32], b: &[f32]| {
        let mut similarity = Similarity::default();
        similarity.add(what, a, b).map(|()| similarity)
    };
    let mut logits = similarity("logits_1", expected.logits_1.data(), found.logits_1.data())?;
    logits.add("logits_2", expected.logits_2.data(), found.logits_2.data())?;
    Ok(Comparison {
        local: similarity("local branch", &half(&expected, 0), &half(&found, 0))?,
        global: similarity("global branch", &half(&expected, 1), &half(&found, 1))?,
        logits,
        faces: count,
    })
}
