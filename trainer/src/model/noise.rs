//! Dropout whose masks are a pure function of seed, step, flow and place.
//!
//! The tensor library's own generator is one stream per device: a resumed run would have to restore its state, and a
//! thread that draws in between would shift every later mask. Here a mask is a hash of its place, so it does not depend
//! on what was drawn before it, and threads may work through it in any order.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::host::dropped;
use super::mask::Mask;
use crate::hash::key;
use crate::{Result, TrainerError};

/// Shares of numbers that dropout sets to zero (spec section 6).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dropout {
    /// In both attentions, on their input and on their output.
    pub attention: f64,
    /// After every layer of every MLP.
    pub mlp: f64,
    /// Of audio and video rows, left out before the network.
    pub frames: f64,
}

impl Default for Dropout {
    fn default() -> Self {
        Self { attention: 0.5, mlp: 0.3, frames: 0.0 }
    }
}

impl Dropout {
    /// No dropout at all.
    pub const NONE: Self = Self { attention: 0.0, mlp: 0.0, frames: 0.0 };

    /// Whether the shares can be.
    ///
    /// # Errors
    /// [`TrainerError::Setting`].
    pub fn validate(&self) -> Result<()> {
        let shares =
            [("dropout.attention", self.attention), ("dropout.mlp", self.mlp), ("dropout.frames", self.frames)];
        for (key, share) in shares {
            if !(0.0..1.0).contains(&share) {
                return Err(TrainerError::setting(key, format!("expected a share from 0 to below 1, found {share}")));
            }
        }
        Ok(())
    }
}

/// The masks of one flow of one step; a new one starts the sequence of masks anew.
#[derive(Clone, Debug)]
pub struct Noise {
    shares: Dropout,
    key: u64,
    drawn: u64,
}

impl Noise {
    /// No dropout: evaluation.
    pub fn off() -> Self {
        Self { shares: Dropout::NONE, key: 0, drawn: 0 }
    }

    /// The masks of `flow` (0: text complete, 1: text missing) in step `step` of a run with `seed`.
    pub fn new(shares: Dropout, seed: u64, step: u64, flow: u64) -> Self {
        Self { shares, key: key(&[seed, step, flow]), drawn: 0 }
    }

    pub(super) fn attention<const D: usize>(&mut self, x: Tensor<D>) -> Tensor<D> {
        self.apply(x, self.shares.attention)
    }

    pub(super) fn mlp<const D: usize>(&mut self, x: Tensor<D>) -> Tensor<D> {
        self.apply(x, self.shares.mlp)
    }

    fn apply<const D: usize>(&mut self, x: Tensor<D>, share: f64) -> Tensor<D> {
        if share == 0.0 {
            return x;
        }
        let mask = Mask::new(key(&[self.key, self.drawn]), share);
        self.drawn += 1;
        dropped(x, mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_that_cannot_be_are_refused() {
        for share in [-0.1, 1.0, f64::NAN] {
            for wrong in [
                Dropout { attention: share, ..Dropout::NONE },
                Dropout { mlp: share, ..Dropout::NONE },
                Dropout { frames: share, ..Dropout::NONE },
            ] {
                assert!(wrong.validate().is_err());
            }
        }
        Dropout::default().validate().unwrap();
    }
}
