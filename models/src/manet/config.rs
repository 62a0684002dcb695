//! Sizes of MA-Net.

use serde::{Deserialize, Serialize};

use super::MODEL;
use crate::tensor::NamedTensors;
use crate::{ModelError, Result};

/// Widest stem that is accepted; 64 is the published one.
const WIDEST: usize = 512;
/// Most classes that are accepted; the published pretraining has 12,666.
const MOST_CLASSES: usize = 1 << 20;

/// Sizes of the network; every layer's width follows from the stem's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManetConfig {
    /// Channels of the stem, a multiple of 4; later layers have up to 8 times as many.
    pub width: usize,
    /// Scores per head.
    pub classes: usize,
}

impl ManetConfig {
    /// The published network, trained on RAF-DB: seven expressions.
    pub const PUBLISHED: Self = Self { width: 64, classes: 7 };

    /// The sizes of a checkpoint: the stem's channels and the heads' classes.
    ///
    /// # Errors
    /// MissingTensor when there is no stem or no head; Config for sizes that cannot be.
    pub fn of(tensors: &NamedTensors) -> Result<Self> {
        let outputs = |name: &str, expected: &[usize]| {
            let shape = tensors.shape(name).or_else(|| tensors.shape(&format!("module.{name}")));
            shape.and_then(|shape| shape.first().copied()).ok_or_else(|| ModelError::MissingTensor {
                origin: tensors.origin().into(),
                key: name.into(),
                expected: expected.to_vec(),
            })
        };
        let config =
            Self { width: outputs("conv1.weight", &[64, 3, 7, 7])?, classes: outputs("fc_1.weight", &[7, 512])? };
        config.validate()?;
        Ok(config)
    }

    /// Whether the sizes can be.
    ///
    /// # Errors
    /// [`ModelError::Config`].
    pub fn validate(&self) -> Result<()> {
        if self.width == 0 || !self.width.is_multiple_of(4) || self.width > WIDEST {
            return Err(ModelError::Config {
                what: format!("{MODEL}: stem width"),
                reason: format!("expected a multiple of 4 up to {WIDEST}, found {}", self.width),
            });
        }
        if self.classes == 0 || self.classes > MOST_CLASSES {
            return Err(ModelError::Config {
                what: format!("{MODEL}: classes"),
                reason: format!("expected 1 to {MOST_CLASSES}, found {}", self.classes),
            });
        }
        Ok(())
    }

    /// E: width of the embedding, local branch then global branch.
    pub fn embedding(&self) -> usize {
        2 * self.branch()
    }

    /// Width of one branch's features.
    pub(super) fn branch(&self) -> usize {
        8 * self.width
    }
}
