//! LLM_g: text simulated from sound (spec section 2.4).
//!
//! Audio rows from the projector stand in place of tokens, then BOS and a prompt follow; the model continues, and the
//! hidden states at the continuation's tokens are the simulated text. Decoding is greedy: with one beam this is the
//! authors' own procedure.

use super::model::Llama;
use super::raw::{Outputs, Rows};
use super::states::{LayerSet, sum};
use crate::tensor::Tensor;
use crate::{ModelError, Result};

/// The prompt that the authors used (spec section 2.4, point 3).
pub const PROMPT: &str = "USER: Transcribe speech to text. Output the transcription directly without redundant \
                          content. Ensure that the output is not duplicated. \n ASSISTANT:";

/// The prompt of SLAM-ASR's current decoding configuration, made for the same projector.
pub const SHORT_PROMPT: &str = "USER: Transcribe speech to text. \n ASSISTANT:";

/// Tokens that are generated at most in the published configuration.
pub const MAX_NEW_TOKENS: usize = 200;

/// Why generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The model gave its end-of-text token.
    EndOfText,
    /// As many tokens as allowed; the last one was never fed, so it has no row.
    Limit,
    /// There was nothing to listen to: no audio rows.
    NoAudio,
}

/// Why the states are one zero row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimulationWarning {
    /// No audio rows: the clip has fewer than five frames of 20 ms.
    NoAudioRows,
    /// No generated token has a hidden state.
    NothingGenerated,
}

impl std::fmt::Display for SimulationWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoAudioRows => "the sound is too short to simulate text from; one zero row stands for the text",
            Self::NothingGenerated => "the language model generated no text; one zero row stands for the text",
        })
    }
}

/// Simulated text.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    /// [rows, D] f32: the states at the generated tokens y_1..y_n; n - 1 rows when the limit was hit; one zero row when
    /// there would be none.
    pub states: Tensor,
    /// Generated tokens without end-of-text; at the limit, with the last one that has no row.
    pub tokens: Vec<i32>,
    /// Their text, without surrounding spaces.
    pub transcript: String,
    /// Set when `states` is the zero row that stands for nothing.
    pub warning: Option<SimulationWarning>,
    /// Why generation ended.
    pub stopped: Stop,
}

impl Llama {
    /// Simulates text from `audio_rows` [n, D] with the prompt given as text.
    ///
    /// # Errors
    /// As [`Llama::simulate_with_tokens`] and [`Llama::tokenize`].
    pub fn simulate(
        &mut self,
        audio_rows: &Tensor,
        prompt: &str,
        layers: &LayerSet,
        max_new_tokens: usize,
    ) -> Result<Simulated> {
        let prompt = self.tokenize(prompt)?;
        self.simulate_with_tokens(audio_rows, &prompt, layers, max_new_tokens)
    }

    /// Simulates text from `audio_rows` [n, D] with the prompt given as tokens, BOS first.
    ///
    /// The first generated token cannot be end-of-text (the authors' `min_length` 1).
    ///
    /// # Errors
    /// Contract for rows of another width or rank; NotFinite for NaN or infinity in rows, logits or states; Llama when
    /// rows, prompt and new tokens exceed `n_ctx`, or for an empty prompt or no new tokens; Config for a set of another
    /// model; Cancelled.
    pub fn simulate_with_tokens(
        &mut self,
        audio_rows: &Tensor,
        prompt: &[i32],
        layers: &LayerSet,
        max_new_tokens: usize,
    ) -> Result<Simulated> {
        let rows = self.check_audio(audio_rows)?;
        self.check_layers(layers)?;
        if prompt.is_empty() || max_new_tokens == 0 {
            return Err(ModelError::Llama {
                action: "simulate text",
                reason: format!(
                    "{} prompt tokens and {max_new_tokens} new tokens, expected at least one of each",
                    prompt.len()
                ),
            });
        }
        if rows == 0 {
            return Ok(self.nothing(SimulationWarning::NoAudioRows, Vec::new(), Stop::NoAudio));
        }
        let what = format!("{rows} audio rows + {} prompt tokens + {max_new_tokens} new tokens", prompt.len());
        // The last new token is never fed, but a sequence that just fits is not worth a special case.
        let positions = rows.saturating_add(prompt.len()).saturating_add(max_new_tokens);
        self.begin(positions, &what)?;
        self.forward(Rows::Embeddings(audio_rows.data()), Outputs::None, &[])?;
        self.forward(Rows::Tokens(prompt), Outputs::Last, &[])?;
        self.generate(layers, max_new_tokens)
    }

    fn generate(&mut self, layers: &LayerSet, max_new_tokens: usize) -> Result<Simulated> {
        let eos = self.shape().eos;
        let names = layers.node_names();
        let mut tokens = vec![self.argmax(Some(eos))?];
        let mut data = Vec::new();
        let mut rows = 0;
        let mut stopped = Stop::Limit;
        while tokens.len() < max_new_tokens {
            let newest = tokens.last().copied().unwrap_or(eos);
            let blocks = self.forward(Rows::Tokens(&[newest]), Outputs::Last, &names)?;
            data.extend(sum(blocks));
            rows += 1;
            let next = self.argmax(None)?;
            if next == eos {
                stopped = Stop::EndOfText;
                break;
            }
            tokens.push(next);
        }
        if rows == 0 {
            return Ok(self.nothing(SimulationWarning::NothingGenerated, tokens, stopped));
        }
        let states = self.states(data, rows)?;
        Ok(Simulated { states, transcript: self.transcript(&tokens), tokens, warning: None, stopped })
    }

    fn transcript(&self, tokens: &[i32]) -> String {
        self.detokenize(tokens).trim().to_owned()
    }

    /// The rule for empty results (spec section 2.4, point 8).
    fn nothing(&self, warning: SimulationWarning, tokens: Vec<i32>, stopped: Stop) -> Simulated {
        let states = Tensor::zeros([1, self.embedding_length()]);
        Simulated { states, transcript: self.transcript(&tokens), tokens, warning: Some(warning), stopped }
    }

    /// Number of rows. The width decides how far llama.cpp reads, so it is checked whatever the file said.
    fn check_audio(&self, rows: &Tensor) -> Result<usize> {
        let [count, width] = *rows.shape() else {
            return Err(self.audio_contract(rows));
        };
        if width != self.embedding_length() {
            return Err(self.audio_contract(rows));
        }
        match rows.first_not_finite() {
            None => Ok(count),
            Some((index, value)) => Err(ModelError::NotFinite {
                origin: "language model's input".into(),
                what: "audio rows".into(),
                index,
                value,
            }),
        }
    }

    fn audio_contract(&self, rows: &Tensor) -> ModelError {
        ModelError::Contract {
            model: self.origin(),
            tensor: "audio rows".into(),
            expected: format!("[rows, {}]", self.embedding_length()),
            found: format!("{:?}", rows.shape()),
        }
    }
}
