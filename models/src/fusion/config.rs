//! Sizes and switches of the fusion network.

use serde::{Deserialize, Serialize};

use crate::{ModelError, Result};

/// Widest feature rows that are accepted; the largest language models have rows of 16,384.
const WIDEST: usize = 1 << 16;
/// D of the published network.
const PUBLISHED_WIDTH: usize = 256;
/// The other widths are halves and quarters of D.
const PARTS: usize = 4;

/// Widths of the three feature streams and the method's switches (spec sections 3.1, 4 and 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FusionConfig {
    /// Width of an audio row (WavLM-Large: 1024).
    pub audio: usize,
    /// Width of a text row (Vicuna-7B: 4096).
    pub text: usize,
    /// Width of a video row (MA-Net: 1024).
    pub video: usize,
    /// D: width of every modality after projection (spec section 3; published: 256). All widths inside follow from it.
    #[serde(default = "published_width", skip_serializing_if = "is_published_width")]
    pub width: usize,
    /// Whether missing text passes through the imagination blocks.
    pub mia: Mia,
    /// What an imagination block adds to its decoder's output.
    pub mia_residual: MiaResidual,
    /// Whether rows that fill a batch up take part in the softmax over time.
    pub padding: Padding,
}

/// Widths inside the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inner {
    /// D: of every modality after projection (published: 256).
    pub(super) width: usize,
    /// Of a view after stage 2 (128).
    pub(super) cross: usize,
    /// Of the contrastive feature (64).
    pub(super) contrast: usize,
    /// Inside MIA-1's autoencoder (128).
    pub(super) latent: usize,
    /// Inside MIA-2's autoencoder (64).
    pub(super) cross_latent: usize,
}

/// What files have that say nothing of the width.
fn published_width() -> usize {
    PUBLISHED_WIDTH
}

/// Whether `width` need not be said.
pub(super) fn is_published_width(width: &usize) -> bool {
    *width == PUBLISHED_WIDTH
}

/// Whether the two missing-text imagination blocks are part of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mia {
    /// Both blocks run for clips whose text is missing.
    #[default]
    On,
    /// No block runs; both flows are computed alike (the paper's ablation).
    Off,
}

/// The residual of an imagination block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MiaResidual {
    /// The text vector that came in (paper, equation 6).
    #[default]
    Text,
    /// The transition layer's output (the authors' second class).
    Transition,
}

/// What becomes of the zero rows that fill a clip up to its batch's longest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Their softmax weight is exactly zero: a clip's result does not depend on its batch.
    #[default]
    Masked,
    /// They take part like any row, as in the authors' code: a clip's result depends on its batch.
    Reference,
}

impl FusionConfig {
    /// The published network: WavLM-Large, Vicuna-7B and MA-Net features, MIA on, masked padding.
    pub const PUBLISHED: Self = Self {
        audio: 1024,
        text: 4096,
        video: 1024,
        width: PUBLISHED_WIDTH,
        mia: Mia::On,
        mia_residual: MiaResidual::Text,
        padding: Padding::Masked,
    };

    /// Whether the widths can be.
    ///
    /// # Errors
    /// [`ModelError::Config`].
    pub fn validate(&self) -> Result<()> {
        if self.width == 0 || self.width > WIDEST || !self.width.is_multiple_of(PARTS) {
            let found = self.width;
            return Err(ModelError::Config {
                what: "fusion: width".into(),
                reason: format!(
                    "expected a multiple of {PARTS} up to {WIDEST}, found {found}; published is {PUBLISHED_WIDTH}"
                ),
            });
        }
        for (name, width) in [("audio", self.audio), ("text", self.text), ("video", self.video)] {
            if width == 0 || width > WIDEST {
                return Err(ModelError::Config {
                    what: format!("fusion: {name} width"),
                    reason: format!("expected 1 to {WIDEST}, found {width}; give the width of the {name} features"),
                });
            }
        }
        Ok(())
    }

    /// Widths inside the network.
    pub(super) fn inner(&self) -> Inner {
        let width = self.width;
        Inner { width, cross: width / 2, contrast: width / PARTS, latent: width / 2, cross_latent: width / PARTS }
    }

    /// Widths in the order audio, text, video.
    pub(super) fn widths(&self) -> [usize; super::MODALITIES] {
        [self.audio, self.text, self.video]
    }
}
