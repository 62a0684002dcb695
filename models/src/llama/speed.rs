//! How long a model takes, with hidden states read and without.

use std::time::{Duration, Instant};

use super::model::Llama;
use super::raw::{Outputs, Rows};
use super::states::LayerSet;
use crate::{ModelError, Result};

impl Llama {
    /// Time to run `tokens` tokens as one text: to the logits of the last one, or, with `states`, to the last of those states,
    /// which are read at every token as for a real transcript. Which tokens they are depends on their number alone.
    ///
    /// # Errors
    /// Llama for no tokens, or for more than `n_ctx`; Config for states of another model; Cancelled.
    pub fn time_text(&mut self, tokens: usize, states: Option<&LayerSet>) -> Result<Duration> {
        if tokens == 0 {
            let reason = "a text of no tokens, expected at least one".into();
            return Err(ModelError::Llama { action: "time the model", reason });
        }
        let text = self.any_tokens(tokens);
        self.begin(tokens, "a timed text")?;
        let (outputs, taps) = match states {
            Some(states) => {
                self.check_layers(states)?;
                (Outputs::States { final_norm: states.has_final() }, states.node_names())
            }
            None => (Outputs::Last, Vec::new()),
        };
        let start = Instant::now();
        self.forward(Rows::Tokens(&text), outputs, &taps)?;
        Ok(start.elapsed())
    }

    /// Time to generate `tokens` tokens one after the other behind a text of `behind`, which is not counted; with `states`,
    /// those are read at each of them, as for simulated text. End-of-text never ends it.
    ///
    /// # Errors
    /// As [`Llama::time_text`]; NotFinite for logits that are no numbers.
    pub fn time_generation(&mut self, behind: usize, tokens: usize, states: Option<&LayerSet>) -> Result<Duration> {
        let taps = match states {
            Some(states) => {
                self.check_layers(states)?;
                states.node_names()
            }
            None => Vec::new(),
        };
        let (eos, text) = (self.shape().eos, self.any_tokens(behind.max(1)));
        self.begin(text.len().saturating_add(tokens), "a timed text")?;
        self.forward(Rows::Tokens(&text), Outputs::Last, &[])?;
        let start = Instant::now();
        for _ in 0..tokens {
            let next = self.argmax(Some(eos))?;
            self.forward(Rows::Tokens(&[next]), Outputs::Last, &taps)?;
        }
        Ok(start.elapsed())
    }

    /// BOS, then `count` - 1 tokens from all over the vocabulary.
    fn any_tokens(&self, count: usize) -> Vec<i32> {
        // A prime step meets every token of any vocabulary that it does not divide before one comes again.
        const STEP: usize = 7919;
        let size = self.shape().vocab_size.max(1);
        let token = |i: usize| i32::try_from(i.wrapping_mul(STEP) % size).unwrap_or(0);
        std::iter::once(self.shape().bos).chain((1..count).map(token)).collect()
    }
}
