//! A llama for training: tokens or rows in, hidden states and logits out.
//!
//! Parameters have transformers' names, as `mien_models::llama::parameters` lists them; `mien_models::llama::write_gguf`
//! takes them as they are. Rows of a batch are one long axis, clip after clip, each padded on its right to the longest:
//! no row sees what comes after it, so padding changes nothing before it.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use mien_models::llama::{LlamaConfig, parameters};
use mien_models::tensor::NamedTensors;

use super::host::{Rotation, Visible, rotate, softmax, swiglu};
use super::initial::{Begin, initial};
use super::layers::{by_head, by_row};
use super::{Mode, Parameters};
use crate::{Result, TrainerError};

/// Deviation of first weights, as the reference draws them.
const DEVIATION: f64 = 0.02;

/// A llama on tensors with gradients.
#[derive(Clone, Debug)]
pub struct Llama {
    config: LlamaConfig,
    parameters: Parameters,
}

/// What a llama makes of B sequences of T rows.
#[derive(Clone, Debug)]
pub struct LlamaStates {
    /// [B T, hidden] by number of blocks done: 0 is the input; without the final norm, so the last block's state is not
    /// among them.
    pub hidden: Vec<Tensor<2>>,
    /// [B T, hidden] after all blocks and the final norm.
    pub last: Tensor<2>,
}

impl Llama {
    /// A llama of `config` with the values of `tensors`, as numbers of type `dtype` on `device`, which
    /// keeps gradients where it learns.
    ///
    /// # Errors
    /// [`mien_models::ModelError`] for sizes that do not fit, missing, misshapen or non-finite tensors.
    pub fn new(
        config: &LlamaConfig,
        tensors: &NamedTensors,
        mode: Mode,
        device: &Device,
        dtype: DType,
    ) -> Result<Self> {
        config.validate()?;
        let parameters = Parameters::new(&parameters(config), tensors, mode, device, dtype)?;
        Ok(Self { config: config.clone(), parameters })
    }

    /// First values of a llama that learns from nothing: normal with deviation 0.02, less by the root of twice the
    /// number of blocks where a map ends in the residual stream; norms 1.
    ///
    /// # Errors
    /// Config for sizes that do not fit.
    pub fn initial(config: &LlamaConfig, seed: u64) -> Result<NamedTensors> {
        config.validate()?;
        let into_stream = DEVIATION / (2.0 * config.layers as f64).sqrt();
        Ok(initial(&parameters(config), seed, |name, shape| match (name, shape.len()) {
            (_, 1) => Begin::Constant(1.0),
            (name, _) if name.contains("o_proj") || name.contains("down_proj") => Begin::Normal(into_stream),
            _ => Begin::Normal(DEVIATION),
        }))
    }

    /// Its sizes.
    pub fn config(&self) -> &LlamaConfig {
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

    /// Input rows [tokens, hidden] of `tokens`.
    ///
    /// # Errors
    /// [`TrainerError::Input`] for a token that the vocabulary lacks.
    pub fn embed(&self, tokens: &[u32]) -> Result<Tensor<2>> {
        let vocabulary = self.config.vocab_size;
        if let Some(token) = tokens.iter().find(|&&token| token as usize >= vocabulary) {
            return Err(TrainerError::input("llama", "a token", format!("0 to {}", vocabulary - 1), token.to_string()));
        }
        let places: Vec<i64> = tokens.iter().map(|&token| i64::from(token)).collect();
        let n = places.len();
        let places: Tensor<1, Int> = Tensor::from_data(TensorData::new(places, [n]), self.parameters.device());
        let table: Tensor<2> = self.parameters.get("model.embed_tokens.weight")?;
        Ok(table.select(0, places))
    }

    /// The states of `rows` [B T, hidden] for `sequences` = B sequences.
    ///
    /// # Errors
    /// [`TrainerError::Input`] when the rows do not divide into so many sequences of at most the context's length.
    pub fn states(&self, rows: Tensor<2>, sequences: usize) -> Result<LlamaStates> {
        let LlamaConfig { hidden_size, context_length, layers, rms_norm_eps, .. } = self.config;
        let [n, width] = rows.dims();
        let length = n / sequences.max(1);
        let fits = width == hidden_size && sequences * length == n && (1..=context_length).contains(&length);
        if !fits {
            let expected = format!("[{sequences} x at most {context_length}, {hidden_size}]");
            return Err(TrainerError::input("llama", "the rows' shape", expected, format!("[{n}, {width}]")));
        }
        let rotation = Rotation::new(length, hidden_size / self.config.heads, f64::from(self.config.rope_theta));
        let mut hidden = Vec::with_capacity(layers);
        let mut x = rows;
        for layer in 0..layers {
            hidden.push(x.clone());
            x = self.block(layer, x, sequences, &rotation)?;
        }
        Ok(LlamaStates { hidden, last: self.parameters.rms_norm("model.norm", x, rms_norm_eps)? })
    }

    /// Scores of every token [N, vocabulary] to follow each row of `last` [N, hidden], a state after the final norm.
    ///
    /// # Errors
    /// None for a network that was made by [`Llama::new`].
    pub fn logits(&self, last: Tensor<2>) -> Result<Tensor<2>> {
        self.parameters.map("lm_head", last)
    }

    /// x + attention(norm(x)), then x + feed-forward(norm(x)).
    fn block(&self, layer: usize, x: Tensor<2>, sequences: usize, rotation: &Rotation) -> Result<Tensor<2>> {
        let parameters = &self.parameters;
        let epsilon = self.config.rms_norm_eps;
        let name = format!("model.layers.{layer}");
        let z = parameters.rms_norm(&format!("{name}.input_layernorm"), x.clone(), epsilon)?;
        let x = x + self.attention(&format!("{name}.self_attn"), z, sequences, rotation)?;
        let z = parameters.rms_norm(&format!("{name}.post_attention_layernorm"), x.clone(), epsilon)?;
        let gate = parameters.map(&format!("{name}.mlp.gate_proj"), z.clone())?;
        let up = parameters.map(&format!("{name}.mlp.up_proj"), z)?;
        Ok(x + parameters.map(&format!("{name}.mlp.down_proj"), swiglu(gate, up))?)
    }

    fn attention(&self, name: &str, z: Tensor<2>, sequences: usize, rotation: &Rotation) -> Result<Tensor<2>> {
        let LlamaConfig { hidden_size, heads, kv_heads, .. } = self.config;
        let width = hidden_size / heads;
        let map = |part: &str| self.parameters.map(&format!("{name}.{part}"), z.clone());
        let query = by_head(rotate(map("q_proj")?, rotation), sequences, heads);
        let key = by_head(rotate(map("k_proj")?, rotation), sequences, kv_heads);
        let value = by_head(map("v_proj")?, sequences, kv_heads);
        let [key, value] = [key, value].map(|x| shared(x, heads / kv_heads));
        let logits = query.matmul(key.swap_dims(2, 3)).mul_scalar(1.0 / (width as f64).sqrt());
        let context = softmax(logits, &Visible::Causal).matmul(value);
        self.parameters.map(&format!("{name}.o_proj"), by_row(context))
    }
}

/// `x` [B, heads, T, width] with every head `times` times in a row, for so many query heads share it.
fn shared(x: Tensor<4>, times: usize) -> Tensor<4> {
    if times == 1 {
        return x;
    }
    let [sequences, heads, length, width] = x.dims();
    let x: Tensor<5> = x.unsqueeze_dim(2);
    x.expand([sequences, heads, times, length, width]).reshape([sequences, heads * times, length, width])
}
