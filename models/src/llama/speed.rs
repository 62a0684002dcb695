//! How long a model takes, with hidden states read and without.

use std::time::{Duration, Instant};

use super::model::Llama;
use super::raw::{Outputs, Rows};
use super::states::LayerSet;
use crate::{ModelError, Result};

/// Time of one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LlamaTime {
    /// For all tokens of the prompt, run in batches.
    pub prompt: Duration,
    /// For all tokens that were generated, run one after the other.
    pub generation: Duration,
}

impl Llama {
    /// Times a text of `prompt` tokens and then `generated` tokens. The states in `prompt_states` are read at each token of
    /// the prompt, as for a real transcript, those in `generated_states` at each generated one, as for simulated text;
    /// with `None`, none are. Which tokens they are depends on the model and the numbers alone; end-of-text never ends it.
    ///
    /// # Errors
    /// Llama for no prompt, or for more tokens than `n_ctx`; Config for states of another model; NotFinite for logits that
    /// are no numbers; Cancelled.
    pub fn time(
        &mut self,
        prompt: usize,
        generated: usize,
        prompt_states: Option<&LayerSet>,
        generated_states: Option<&LayerSet>,
    ) -> Result<LlamaTime> {
        if prompt == 0 {
            let reason = "a prompt of no tokens, expected at least one".into();
            return Err(ModelError::Llama { action: "time the model", reason });
        }
        for states in [prompt_states, generated_states].into_iter().flatten() {
            self.check_layers(states)?;
        }
        let names = |states: Option<&LayerSet>| states.map(LayerSet::node_names).unwrap_or_default();
        let tokens = self.any_tokens(prompt);
        self.begin(prompt.saturating_add(generated), "a timed text")?;
        let all = prompt_states.is_some_and(LayerSet::has_final);
        let start = Instant::now();
        let outputs = if all { Outputs::All } else { Outputs::Last };
        self.forward(Rows::Tokens(&tokens), outputs, &names(prompt_states))?;
        let prompt = start.elapsed();
        let (eos, taps) = (self.shape().eos, names(generated_states));
        let start = Instant::now();
        for _ in 0..generated {
            let next = self.argmax(Some(eos))?;
            self.forward(Rows::Tokens(&[next]), Outputs::Last, &taps)?;
        }
        Ok(LlamaTime { prompt, generation: start.elapsed() })
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
