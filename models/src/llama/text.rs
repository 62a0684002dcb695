//! LLM_f: the representation of a real transcript (spec section 2.3).

use super::model::Llama;
use super::raw::{Outputs, Rows};
use super::states::{LayerSet, sum};
use crate::tensor::Tensor;
use crate::{ModelError, Result};

impl Llama {
    /// Hidden states of `tokens`, run once as they are: [n_tokens, D] f32, the sum over `layers`, a row for every
    /// position with BOS if it is there.
    ///
    /// # Errors
    /// Llama for no tokens, an id outside the vocabulary, or more tokens than `n_ctx`; Config for a set that was made
    /// for another number of blocks; NotFinite when the model gives NaN or infinity; Cancelled.
    pub fn text_states(&mut self, tokens: &[i32], layers: &LayerSet) -> Result<Tensor> {
        if tokens.is_empty() {
            return Err(ModelError::Llama {
                action: "represent a text",
                reason: "no tokens, expected at least the beginning-of-text token".into(),
            });
        }
        self.check_layers(layers)?;
        self.begin(tokens.len(), "a text")?;
        let outputs = Outputs::States { final_norm: layers.has_final() };
        let blocks = self.forward(Rows::Tokens(tokens), outputs, &layers.node_names())?;
        self.states(sum(blocks), tokens.len())
    }

    /// The representation of a transcript: [`Llama::text_states`] of its tokens, BOS row kept or (with `keep_bos`
    /// false) cut off; one zero row [1, D] for a transcript without a visible character.
    ///
    /// # Errors
    /// As [`Llama::tokenize`] and [`Llama::text_states`].
    pub fn real_text(&mut self, transcript: &str, layers: &LayerSet, keep_bos: bool) -> Result<Tensor> {
        let width = self.embedding_length();
        if transcript.trim().is_empty() {
            self.check_layers(layers)?;
            return Ok(Tensor::zeros([1, width]));
        }
        let tokens = self.tokenize(transcript)?;
        let states = self.text_states(&tokens, layers)?;
        if keep_bos {
            return Ok(states);
        }
        let rows = states.rows().saturating_sub(1);
        let mut data = states.into_data();
        data.drain(..width);
        Tensor::new([rows, width], data)
    }

    /// Refuses indices that were resolved for another model: they would name other states.
    pub(super) fn check_layers(&self, layers: &LayerSet) -> Result<()> {
        if layers.layers() == self.layers() {
            return Ok(());
        }
        Err(ModelError::Config {
            what: "hidden states of the language model".into(),
            reason: format!("indices for {} blocks, the model has {}", layers.layers(), self.layers()),
        })
    }

    /// Rows as a tensor, once they are known to be finite.
    pub(super) fn states(&self, data: Vec<f32>, rows: usize) -> Result<Tensor> {
        let states = Tensor::new([rows, self.embedding_length()], data)?;
        match states.first_not_finite() {
            None => Ok(states),
            Some((index, value)) => {
                Err(ModelError::NotFinite { origin: self.origin(), what: "hidden states".into(), index, value })
            }
        }
    }
}
