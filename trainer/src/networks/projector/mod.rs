//! The projector for training: frames of speech to input rows of a language model (spec section 2.4).

mod prompted;

use burn::tensor::activation::relu;
use burn::tensor::{DType, Device, Tensor};
use mien_models::projector::{ProjectorConfig, parameters};
use mien_models::tensor::NamedTensors;

pub use prompted::{Prompted, prompted};

use super::initial::{Begin, initial, inputs};
use super::{Mode, Parameters};
use crate::{Result, TrainerError};

/// The projector on tensors with gradients.
#[derive(Clone, Debug)]
pub struct Projector {
    config: ProjectorConfig,
    parameters: Parameters,
}

impl Projector {
    /// A projector of `config` with the values of `tensors`, as numbers of type `dtype` on `device`, which keeps
    /// gradients where it learns.
    ///
    /// # Errors
    /// [`mien_models::ModelError`] for sizes that do not fit, missing, misshapen or non-finite tensors.
    pub fn new(
        config: &ProjectorConfig,
        tensors: &NamedTensors,
        mode: Mode,
        device: &Device,
        dtype: DType,
    ) -> Result<Self> {
        config.validate()?;
        let parameters = Parameters::new(&parameters(config), tensors, mode, device, dtype)?;
        Ok(Self { config: config.clone(), parameters })
    }

    /// First values of a projector that learns from nothing: PyTorch's for affine maps, uniform within
    /// 1 / sqrt(inputs).
    ///
    /// # Errors
    /// Config for sizes that do not fit.
    pub fn initial(config: &ProjectorConfig, seed: u64) -> Result<NamedTensors> {
        config.validate()?;
        let ProjectorConfig { hidden, .. } = *config;
        let width = config.input_width();
        Ok(initial(&parameters(config), seed, |name, shape| {
            let inputs = match (shape.len(), name.starts_with("linear1")) {
                (1, true) => width as f64,
                (1, false) => hidden as f64,
                _ => inputs(shape),
            };
            Begin::Uniform(1.0 / inputs.sqrt())
        }))
    }

    /// Its sizes.
    pub fn config(&self) -> &ProjectorConfig {
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

    /// Rows [N, llm width] of `frames` [N, k x encoder width], k frames side by side in the order of time.
    ///
    /// # Errors
    /// [`TrainerError::Input`] for frames of another width.
    pub fn rows(&self, frames: Tensor<2>) -> Result<Tensor<2>> {
        let [_, width] = frames.dims();
        if width != self.config.input_width() {
            let expected = format!("{} x {}", self.config.k, self.config.encoder_width);
            return Err(TrainerError::input("projector", "the frames' width", expected, width.to_string()));
        }
        self.parameters.affine("linear2", relu(self.parameters.affine("linear1", frames)?))
    }
}
