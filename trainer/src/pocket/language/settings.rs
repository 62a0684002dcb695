//! Sizes and pace of the llama.

use mien_models::llama::LlamaConfig;

use super::Vocabulary;
use crate::course::Pace;

/// Positions that fit: 30 s of sound are 300 rows, and the prompt and 200 new tokens follow.
const CONTEXT: usize = 1024;

/// Sizes of the llama, and how it learns.
#[derive(Clone, Debug, PartialEq)]
pub struct LanguageSettings {
    /// Width of hidden states: a multiple of 32, the block of Q8_0.
    pub hidden: usize,
    /// Width inside the feed-forward part, likewise.
    pub intermediate: usize,
    /// Blocks, at least 4: real text is the sum of the last four states.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Sentences of the validation split that are measured.
    pub measured: usize,
    /// Length and speed.
    pub pace: Pace,
}

impl Default for LanguageSettings {
    /// About a million numbers, 1.1 MB in Q8_0: four blocks are the fewest that the method takes; two do for repeating
    /// (one marks a word with what was before it, the next looks for the mark), the others leave room for the grammar.
    fn default() -> Self {
        Self {
            hidden: 128,
            intermediate: 320,
            layers: 4,
            heads: 4,
            measured: 64,
            pace: Pace {
                seed: 1,
                steps: 5000,
                batch: 32,
                rate: 2e-3,
                warmup: 200,
                measure_every: 250,
                checkpoint_every: 25,
            },
        }
    }
}

impl LanguageSettings {
    /// The llama's sizes.
    pub fn config(&self, vocabulary: &Vocabulary) -> LlamaConfig {
        LlamaConfig {
            vocab_size: vocabulary.spm().len(),
            hidden_size: self.hidden,
            intermediate_size: self.intermediate,
            layers: self.layers,
            heads: self.heads,
            kv_heads: self.heads,
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            context_length: CONTEXT,
        }
    }
}
