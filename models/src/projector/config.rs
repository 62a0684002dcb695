//! Sizes of the projector.

use serde::{Deserialize, Serialize};

use crate::{ModelError, Result};

/// Largest value of any size.
const SIZE_LIMIT: usize = 1 << 16;

/// Sizes of the projector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectorConfig {
    /// Frames that become one row.
    pub k: usize,
    /// Width of an encoder frame.
    pub encoder_width: usize,
    /// Width between the two linear maps.
    pub hidden: usize,
    /// Width of the language model's embeddings.
    pub llm_width: usize,
}

impl ProjectorConfig {
    /// The published projector from WavLM-Large to Vicuna-7B: 18.9 million parameters.
    pub fn large() -> Self {
        Self { k: 5, encoder_width: 1024, hidden: 2048, llm_width: 4096 }
    }

    /// Width of the first map's input: `k` frames side by side.
    pub fn input_width(&self) -> usize {
        self.k * self.encoder_width
    }

    /// Whether the sizes can be a network's.
    ///
    /// # Errors
    /// [`ModelError::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("k", self.k),
            ("encoder_width", self.encoder_width),
            ("hidden", self.hidden),
            ("llm_width", self.llm_width),
        ];
        match sizes.into_iter().find(|(_, value)| !(1..=SIZE_LIMIT).contains(value)) {
            None => Ok(()),
            Some((name, value)) => Err(ModelError::Config {
                what: "projector configuration".into(),
                reason: format!("{name} is {value}, expected 1 to {SIZE_LIMIT}"),
            }),
        }
    }
}
