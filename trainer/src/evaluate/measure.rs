//! Measuring a trained network: which split, in which modes, and where the intervals of scores come from.

use std::path::Path;

use mien_models::bundle::Sha256;
use mien_models::fusion::Padding;

use super::mode::Mode;
use super::report::{Evaluation, Protocol};
use super::run::{Predictions, predict};
use crate::data::corpus::split_name;
use crate::data::{Batch, Source, Split};
use crate::train::Learner;
use crate::{Result, TrainerError};

/// How a network is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measuring {
    /// The split that is measured.
    pub split: Split,
    /// The split that the 90 % intervals of scores come from; another one.
    pub calibrate: Split,
    /// What the network is given.
    pub modes: Vec<Mode>,
    /// Clips per batch, in the order of the corpus; counts with reference padding alone.
    pub batch: usize,
    /// Draws of the bootstrap.
    pub resamples: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
}

/// A network, measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The measures.
    pub evaluation: Evaluation,
    /// What they are of.
    pub predictions: Predictions,
}

impl Measuring {
    /// Whether the settings can be.
    ///
    /// # Errors
    /// Setting when scores are calibrated on what is measured.
    pub fn validate(&self) -> Result<()> {
        if self.split == self.calibrate {
            let reason = "intervals made from the split that they are measured on promise nothing; name another split";
            return Err(TrainerError::setting("--calibrate", reason));
        }
        Ok(())
    }

    /// Measures `learner`, whose weights came from the file `weights`. `tell` hears of clips done in a split.
    ///
    /// # Errors
    /// As [`Self::validate`] and [`predict`]; Model when the weights cannot be read again for their digest.
    pub fn measure(
        &self,
        source: &dyn Source,
        learner: &Learner,
        weights: &Path,
        tell: &mut dyn FnMut(Split, usize, usize),
    ) -> Result<Measured> {
        self.validate()?;
        let mut model = |batch: &Batch, text_missing: bool| learner.valences(batch, text_missing);
        let mut asked = |split: Split| {
            let mut told = |done, total| tell(split, done, total);
            predict(source, split, &self.modes, self.batch, &mut model, &mut told)
        };
        let (calibration, predictions) = (asked(self.calibrate)?, asked(self.split)?);
        let protocol = Protocol {
            created_by: concat!("mien-train ", env!("CARGO_PKG_VERSION")).into(),
            corpus: source.name().into(),
            corpus_digest: source.digest().into(),
            split: split_name(self.split).into(),
            weights: weights.display().to_string(),
            weights_sha256: Sha256::of_file(weights)?.1.to_string(),
            padding: match learner.experiment().network.padding {
                Padding::Masked => "masked".into(),
                Padding::Reference => "reference".into(),
            },
            batch: self.batch,
            resamples: self.resamples,
            seed: self.seed,
            calibration: format!("{}, {} clips", split_name(self.calibrate), calibration.ids.len()),
        };
        let evaluation = Evaluation::of(protocol, &predictions, Some(&calibration))?;
        Ok(Measured { evaluation, predictions })
    }
}
