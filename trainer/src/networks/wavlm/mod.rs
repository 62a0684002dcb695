//! WavLM for training: waveforms of a batch in, the states of every layer out (spec section 2.1).
//!
//! Parameters have transformers' names, as `mien_models::wavlm::parameters` lists them. Rows of a batch are one long axis,
//! clip after clip, each padded on its right to the longest. What a clip gives does not depend on its padding:
//! convolutions over the waveform never read past a clip's own frames, frames past its end are zero before the positional
//! convolution, as a clip alone has them, and no query sees them as keys.

mod attention;
mod convolution;
mod recogniser;

use burn::tensor::{DType, Device, Tensor};
use mien_models::tensor::NamedTensors;
use mien_models::wavlm::{WavlmConfig, parameters};

pub use recogniser::Recogniser;

use super::host::{Visible, gelu};
use super::initial::{Begin, initial, inputs};
use super::{Mode, Parameters};
use crate::{Result, TrainerError};

/// A WavLM on tensors with gradients.
#[derive(Clone, Debug)]
pub struct Wavlm {
    config: WavlmConfig,
    parameters: Parameters,
}

/// What WavLM makes of B clips, padded to T frames (50 per second).
#[derive(Clone, Debug)]
pub struct WavlmStates {
    /// [B T, hidden] by number of layers done, 0 being the state after the positional convolution; no final norm.
    pub hidden: Vec<Tensor<2>>,
    /// [B T, hidden]: the last layer after the encoder's norm.
    pub last: Tensor<2>,
    /// Frames of each clip; rows from there on are padding and mean nothing.
    pub frames: Vec<usize>,
}

impl WavlmStates {
    /// T: frames of the longest clip.
    pub fn longest(&self) -> usize {
        self.frames.iter().copied().max().unwrap_or(0)
    }
}

impl Wavlm {
    /// A WavLM of `config` with the values of `tensors`, as numbers of type `dtype` on `device`, which
    /// keeps gradients where it learns.
    /// `tensors` have the names of `mien_models::wavlm::parameters`.
    ///
    /// # Errors
    /// [`mien_models::ModelError`] for sizes that do not fit, missing, misshapen or non-finite tensors.
    pub fn new(
        config: &WavlmConfig,
        tensors: &NamedTensors,
        mode: Mode,
        device: &Device,
        dtype: DType,
    ) -> Result<Self> {
        config.validate()?;
        let parameters = Parameters::new(&parameters(config), tensors, mode, device, dtype)?;
        Ok(Self { config: config.clone(), parameters })
    }

    /// First values of a WavLM that learns from nothing. Convolutions keep the power of what passes; maps have deviation
    /// 1 / sqrt(inputs), less by the root of twice the number of layers where they end in the residual stream.
    ///
    /// # Errors
    /// Config for sizes that do not fit.
    pub fn initial(config: &WavlmConfig, seed: u64) -> Result<NamedTensors> {
        config.validate()?;
        let WavlmConfig { hidden, layers, conv_pos_kernel, .. } = *config;
        let into_stream = 1.0 / (2.0 * layers as f64).sqrt();
        Ok(initial(&parameters(config), seed, |name, shape| {
            let deviation = 1.0 / inputs(shape).sqrt();
            if name.ends_with(".bias") {
                Begin::Constant(0.0)
            } else if name.ends_with("gru_rel_pos_const") || (shape.len() == 1 && name.ends_with(".weight")) {
                Begin::Constant(1.0)
            } else if name.ends_with("original0") {
                // The norm that directions of the deviation below have.
                Begin::Constant(2.0 * (hidden as f64 / conv_pos_kernel as f64).sqrt())
            } else if name.ends_with("original1") {
                Begin::Normal(2.0 * deviation)
            } else if name.contains("conv_layers") {
                Begin::Normal(2f64.sqrt() * deviation)
            } else if name.ends_with("rel_attn_embed.weight") {
                Begin::Normal(0.02)
            } else if name.contains("out_proj") || name.contains("output_dense") {
                Begin::Normal(into_stream * deviation)
            } else {
                Begin::Normal(deviation)
            }
        }))
    }

    /// Its sizes.
    pub fn config(&self) -> &WavlmConfig {
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

    /// The states of `clips`, each a waveform of 320 T + 80 samples as `mien_models::wavlm::waveform::prepare` makes it.
    ///
    /// # Errors
    /// [`TrainerError::Input`] for no clips or a waveform of another length.
    pub fn states<W: AsRef<[f32]>>(&self, clips: &[W]) -> Result<WavlmStates> {
        let frames = self.frames(clips)?;
        let longest = frames.iter().copied().max().unwrap_or(0);
        let visible = Visible::Lengths(frames.clone());
        let x = self.features(clips, longest)?;
        let mut x = self.add_positions(x, &frames)?;
        let bias = self.position_bias(longest)?;
        let mut hidden = vec![x.clone()];
        for layer in 0..self.config.layers {
            x = self.block(layer, x, &bias, &visible)?;
            hidden.push(x.clone());
        }
        let last = self.parameters.layer_norm("encoder.layer_norm", x, self.config.layer_norm_eps)?;
        Ok(WavlmStates { hidden, last, frames })
    }

    /// Frames of each of `clips`.
    fn frames<W: AsRef<[f32]>>(&self, clips: &[W]) -> Result<Vec<usize>> {
        if clips.is_empty() {
            return Err(refused("the number of clips", "at least 1", "0"));
        }
        let count = |(clip, wave): (usize, &W)| {
            let samples = wave.as_ref().len();
            let frames = self.config.frames(samples);
            if samples != 320 * frames + 80 {
                let expected = "320 for each frame and 80 more, as the waveform is prepared";
                return Err(refused(&format!("the number of samples of clip {clip}"), expected, &samples.to_string()));
            }
            Ok(frames)
        };
        clips.iter().enumerate().map(count).collect()
    }

    /// x + attention(norm(x)), then x + feed-forward(norm(x)).
    fn block(&self, layer: usize, x: Tensor<2>, bias: &Tensor<3>, visible: &Visible) -> Result<Tensor<2>> {
        let parameters = &self.parameters;
        let epsilon = self.config.layer_norm_eps;
        let name = format!("encoder.layers.{layer}");
        let z = parameters.layer_norm(&format!("{name}.layer_norm"), x.clone(), epsilon)?;
        let x = x + self.attention(&format!("{name}.attention"), z, bias, visible)?;
        let z = parameters.layer_norm(&format!("{name}.final_layer_norm"), x.clone(), epsilon)?;
        let inner = gelu(parameters.affine(&format!("{name}.feed_forward.intermediate_dense"), z)?);
        Ok(x + parameters.affine(&format!("{name}.feed_forward.output_dense"), inner)?)
    }
}

fn refused(what: &str, expected: &str, found: &str) -> TrainerError {
    TrainerError::input("WavLM", what, expected, found)
}
