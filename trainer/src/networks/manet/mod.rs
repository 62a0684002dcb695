//! MA-Net for training: faces of a batch in, an embedding and two sets of class scores out (spec section 2.2).
//!
//! Parameters have the authors' names, as `mien_models::manet::parameters` lists them. Which kind a block is, is read off
//! the names that stand below its own. Maps are [N, height, width, channels].

mod attention;
mod blocks;

use std::collections::BTreeMap;

use burn::tensor::{DType, Device, Tensor};
use mien_models::manet::{FACE_CHANNELS, FACE_SIDE, ManetConfig, parameters};
use mien_models::tensor::NamedTensors;

use self::blocks::{Pass, Statistics};
use super::host::{Square, largest};
use super::initial::{Begin, initial, inputs};
use super::{Mode, Parameters};
use crate::{Result, TrainerError};

/// MA-Net on tensors with gradients.
#[derive(Clone, Debug)]
pub struct Manet {
    config: ManetConfig,
    parameters: Parameters,
}

/// Which statistics normalise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norms {
    /// Those of the batch; running averages follow them.
    Batch,
    /// The running averages: evaluation, and what the device computes.
    Running,
}

/// What MA-Net makes of N faces.
#[derive(Clone, Debug)]
pub struct ManetStates {
    /// [N, 16 width]: local branch, then global branch.
    pub embedding: Tensor<2>,
    /// [N, classes]: scores of the local branch.
    pub logits_1: Tensor<2>,
    /// [N, classes]: scores of the global branch.
    pub logits_2: Tensor<2>,
    /// Running averages after this batch by name; none with [`Norms::Running`].
    pub running: BTreeMap<String, Vec<f32>>,
}

/// Height and width of the map that the branches take.
const MAP_SIDE: usize = 28;

impl Manet {
    /// An MA-Net of `config` with the values of `tensors`, as numbers of type `dtype` on `device`, which
    /// keeps gradients where it learns.
    ///
    /// # Errors
    /// [`mien_models::ModelError`] for sizes that do not fit, missing, misshapen or non-finite tensors.
    pub fn new(
        config: &ManetConfig,
        tensors: &NamedTensors,
        mode: Mode,
        device: &Device,
        dtype: DType,
    ) -> Result<Self> {
        config.validate()?;
        // Counters of batches: nothing reads them.
        let specs: Vec<_> = parameters(config).into_iter().filter(|spec| spec.required).collect();
        let parameters = Parameters::new(&specs, tensors, mode, device, dtype)?;
        Ok(Self { config: *config, parameters })
    }

    /// First values of an MA-Net that learns from nothing, as residual networks begin: convolutions keep the power of the
    /// slope that passes back, normalisations do nothing, affine maps are uniform within 1 / sqrt(inputs).
    ///
    /// # Errors
    /// Config for sizes that do not fit.
    pub fn initial(config: &ManetConfig, seed: u64) -> Result<NamedTensors> {
        config.validate()?;
        let specs = parameters(config);
        let widths: BTreeMap<&str, f64> = specs
            .iter()
            .filter_map(|spec| Some((spec.name.strip_suffix(".weight")?, *spec.shape.get(1)? as f64)))
            .collect();
        Ok(initial(&specs, seed, |name, shape| match shape {
            [outputs, _, kernel, _] => Begin::Normal((2.0 / (outputs * kernel * kernel) as f64).sqrt()),
            [_, _] => Begin::Uniform(1.0 / inputs(shape).sqrt()),
            _ if name.ends_with(".weight") || name.ends_with(".running_var") => Begin::Constant(1.0),
            _ => match name.strip_suffix(".bias").and_then(|module| widths.get(module)) {
                Some(width) => Begin::Uniform(1.0 / width.sqrt()),
                None => Begin::Constant(0.0),
            },
        }))
    }

    /// Its sizes.
    pub fn config(&self) -> &ManetConfig {
        &self.config
    }

    /// Its tensors.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The same network with other tensors of the same names.
    pub fn with_parameters(self, parameters: Parameters) -> Self {
        Self { parameters, ..self }
    }

    /// The states of `faces` [N, 3, 224, 224], row-major, RGB in [0, 1].
    ///
    /// # Errors
    /// [`TrainerError::Input`] for no faces or another number of pixels.
    pub fn states(&self, faces: &[f32], norms: Norms) -> Result<ManetStates> {
        let size = FACE_CHANNELS * FACE_SIDE * FACE_SIDE;
        let n = faces.len() / size;
        if n == 0 || n * size != faces.len() {
            let expected = format!("a multiple of 3 x {FACE_SIDE} x {FACE_SIDE}");
            return Err(TrainerError::input("MA-Net", "the number of pixels", expected, faces.len().to_string()));
        }
        let mut pass = Pass { parameters: &self.parameters, statistics: Statistics::new(norms) };
        let stem = Square { kernel: 7, stride: 2, padding: 3 };
        let planes: Tensor<4> = self.parameters.constant(faces.to_vec(), [n, FACE_CHANNELS, FACE_SIDE, FACE_SIDE]);
        let x = pass.conv("conv1", "bn1", planes.permute([0, 2, 3, 1]), stem, true)?;
        let x = largest(x, Square { kernel: 3, stride: 2, padding: 1 });
        let x = pass.stage("layer1", 1, x)?;
        let map = pass.stage("layer2", 2, x)?;

        let half = MAP_SIDE / 2;
        let mut quadrants: Option<Tensor<2>> = None;
        for q in 0..4 {
            // Reading order: top left, top right, bottom left, bottom right.
            let quadrant = map.clone().narrow(1, half * (q / 2), half).narrow(2, half * (q % 2), half);
            let x = pass.stage(&format!("layer3_1_p{}", q + 1), 2, quadrant)?;
            let mean = over_places(pass.stage(&format!("layer4_1_p{}", q + 1), 1, x)?);
            quadrants = Some(match quadrants {
                None => mean,
                Some(sum) => sum + mean,
            });
        }
        let whole = pass.stage("layer3_2", 2, map)?;
        let whole = over_places(pass.stage("layer4_2", 2, whole)?);
        // The quadrants are equal in size: the mean over the whole map is the mean of their means.
        let local = quadrants.map_or_else(|| whole.zeros_like(), |sum| sum.mul_scalar(0.25));
        let logits_1 = self.parameters.affine("fc_1", local.clone())?;
        let logits_2 = self.parameters.affine("fc_2", whole.clone())?;
        let running = pass.statistics.running;
        Ok(ManetStates { embedding: Tensor::cat(vec![local, whole], 1), logits_1, logits_2, running })
    }
}

/// The mean of `x` [N, height, width, channels] over places: [N, channels].
fn over_places(x: Tensor<4>) -> Tensor<2> {
    let [n, height, width, channels] = x.dims();
    x.reshape([n, height * width, channels]).mean_dim(1).reshape([n, channels])
}
