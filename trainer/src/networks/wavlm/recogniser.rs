//! WavLM with a score per frame and label, to learn by what is said; the scores' map stays in the trainer.

use burn::tensor::{DType, Device, Tensor};
use mien_models::tensor::{NamedTensors, Tensor as Plain, TensorSpec};
use mien_models::wavlm::{WavlmConfig, parameters};

use super::Wavlm;
use crate::Result;
use crate::networks::initial::{Begin, initial, inputs};
use crate::networks::{Mode, Parameters};

/// What stands before the names of the scores' map.
const HEAD: &str = "lm_head";

/// WavLM and an affine map of its last states to scores of labels.
#[derive(Clone, Debug)]
pub struct Recogniser {
    wavlm: Wavlm,
}

impl Recogniser {
    /// A recogniser of `choices` labels, blank (0) among them, with the values of `tensors`: those of
    /// `mien_models::wavlm::parameters`, `lm_head.weight` [choices, hidden] and `lm_head.bias` `[choices]`.
    ///
    /// # Errors
    /// As [`Wavlm::new`].
    pub fn new(
        config: &WavlmConfig,
        choices: usize,
        tensors: &NamedTensors,
        mode: Mode,
        device: &Device,
        dtype: DType,
    ) -> Result<Self> {
        config.validate()?;
        let specs = [parameters(config), head(config, choices)].concat();
        let parameters = Parameters::new(&specs, tensors, mode, device, dtype)?;
        Ok(Self { wavlm: Wavlm { config: config.clone(), parameters } })
    }

    /// First values of a recogniser that learns from nothing.
    ///
    /// # Errors
    /// Config for sizes that do not fit.
    pub fn initial(config: &WavlmConfig, choices: usize, seed: u64) -> Result<NamedTensors> {
        let wavlm = Wavlm::initial(config, seed)?;
        let specs = head(config, choices);
        let head = initial(&specs, seed, |_, shape| match shape.len() {
            1 => Begin::Constant(0.0),
            _ => Begin::Normal(1.0 / inputs(shape).sqrt()),
        });
        let mut tensors = Vec::new();
        for (set, specs) in [(&wavlm, parameters(config)), (&head, specs)] {
            for spec in specs.into_iter().filter(|spec| spec.required) {
                let values = set.get(&spec.name, &spec.shape)?.into_owned();
                tensors.push((spec.name, Plain::new(spec.shape, values)?));
            }
        }
        Ok(NamedTensors::from_tensors(wavlm.origin(), tensors))
    }

    /// WavLM's sizes.
    pub fn config(&self) -> &WavlmConfig {
        self.wavlm.config()
    }

    /// All tensors, the scores' map among them.
    pub fn parameters(&self) -> &Parameters {
        self.wavlm.parameters()
    }

    /// The same network with other tensors of the same names.
    pub fn with_parameters(self, parameters: Parameters) -> Self {
        Self { wavlm: self.wavlm.with_parameters(parameters) }
    }

    /// WavLM's tensors alone, as the device's graph builder takes them.
    ///
    /// # Errors
    /// [`crate::TrainerError::Engine`].
    pub fn wavlm_tensors(&self) -> Result<NamedTensors> {
        let mut tensors = self.parameters().named()?;
        tensors.retain(|name| !name.starts_with(HEAD));
        Ok(tensors)
    }

    /// Scores [clips x longest, choices] of every frame of `waveforms`, and how many frames of each clip count.
    ///
    /// # Errors
    /// As [`Wavlm::states`].
    pub fn scores<W: AsRef<[f32]>>(&self, waveforms: &[W]) -> Result<(Tensor<2>, Vec<usize>)> {
        let states = self.wavlm.states(waveforms)?;
        Ok((self.parameters().affine(HEAD, states.last)?, states.frames))
    }
}

fn head(config: &WavlmConfig, choices: usize) -> Vec<TensorSpec> {
    vec![
        TensorSpec::required(format!("{HEAD}.weight"), [choices, config.hidden]),
        TensorSpec::required(format!("{HEAD}.bias"), [choices]),
    ]
}
