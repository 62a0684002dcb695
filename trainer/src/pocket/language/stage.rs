//! The llama's step: the next token, where it is asked for.

use burn::tensor::{Int, Tensor, TensorData};

use super::exercise::SILENCE;
use super::{Exercise, STAGE};
use crate::Result;
use crate::networks::objective::next_token;
use crate::networks::{Llama, Parameters};
use crate::train::{Loss, Stage};

/// A llama that learns exercises.
pub struct LanguageStage {
    /// What learns.
    pub llama: Llama,
}

impl Stage for LanguageStage {
    type Batch = Vec<Exercise>;

    fn name(&self) -> &'static str {
        STAGE
    }

    fn parameters(&self) -> &Parameters {
        self.llama.parameters()
    }

    fn replace(&mut self, parameters: Parameters) {
        self.llama = self.llama.clone().with_parameters(parameters);
    }

    fn loss(&self, batch: &Self::Batch) -> Result<Loss> {
        // The last token of an exercise is followed by nothing.
        let longest = batch.iter().map(|exercise| exercise.tokens.len().saturating_sub(1)).max().unwrap_or(0);
        let (mut tokens, mut scored, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        for exercise in batch {
            let begin = tokens.len();
            for place in exercise.asked_from.max(1)..exercise.tokens.len() {
                scored.push((begin + place - 1) as i64);
                targets.push(exercise.tokens.get(place).copied());
            }
            let given = exercise.tokens.len().saturating_sub(1);
            tokens.extend(exercise.tokens.iter().take(given));
            // No row sees what comes after it.
            tokens.resize(begin + longest, SILENCE);
        }
        let states = self.llama.states(self.llama.embed(&tokens)?, batch.len())?;
        let count = scored.len();
        let scored: Tensor<1, Int> =
            Tensor::from_data(TensorData::new(scored, [count]), self.llama.parameters().device());
        next_token(self.llama.logits(states.last.select(0, scored))?, &targets).map(Loss::from)
    }
}
