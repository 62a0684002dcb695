//! Numbers of a corpus that are none: NaN and infinities.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::super::corpus::{Modality, split_name};
use super::super::npy::Matrix;
use super::super::source::Split;
use crate::{Result, TrainerError};

/// What becomes of NaN and infinities in a corpus's rows. Labels must be numbers whatever is said here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NonFinite {
    /// The import ends with the first of them.
    #[default]
    Error,
    /// They become 0, and are counted for each split and modality.
    Zero,
}

impl FromStr for NonFinite {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "error" => Ok(Self::Error),
            "zero" => Ok(Self::Zero),
            _ => Err(format!("expected error or zero, found {text:?}")),
        }
    }
}

/// What was replaced in a split's rows of one modality.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    nan: usize,
    infinite: usize,
    clips: usize,
}

/// What was replaced, by split and modality.
#[derive(Debug, Default)]
pub(super) struct Replaced(BTreeMap<(Split, Modality), Count>);

impl Replaced {
    /// Looks at a clip's rows: refuses the first number that is none, or replaces them all.
    ///
    /// # Errors
    /// Corpus, naming the number and the option that replaces it.
    pub(super) fn look(
        &mut self,
        rows: &mut Matrix,
        settings: NonFinite,
        (split, modality): (Split, Modality),
        id: &str,
    ) -> Result<()> {
        let Some(at) = rows.values.iter().position(|v| !v.is_finite()) else { return Ok(()) };
        let width = rows.extent.width.max(1);
        if settings == NonFinite::Error {
            let value = rows.values.get(at).copied().unwrap_or_default();
            return Err(TrainerError::corpus(
                format!("clip {id}, {modality}"),
                format!(
                    "number {} of row {} is {value}, expected finite numbers; extract the clip again, or let 0 stand for such numbers \
                     with --non-finite zero",
                    at % width,
                    at / width
                ),
            ));
        }
        let count = self.0.entry((split, modality)).or_default();
        count.clips += 1;
        for value in rows.values.iter_mut().filter(|v| !v.is_finite()) {
            *(if value.is_nan() { &mut count.nan } else { &mut count.infinite }) += 1;
            *value = 0.0;
        }
        Ok(())
    }

    /// What was replaced, a sentence for each split and modality.
    pub(super) fn remarks(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|((split, modality), Count { nan, infinite, clips })| {
            format!(
                "0 stands for {nan} NaN and {infinite} infinities in the {modality} rows of {clips} clips of {}",
                split_name(*split)
            )
        })
    }
}
