//! Asking a model about every clip of a split, in every mode.

use super::mode::Mode;
use crate::data::prefetch::each_batch;
use crate::data::{Batch, Source, Split};
use crate::{Result, TrainerError};

/// A model: valences of a batch, with the flag `text_missing` saying which text it takes and whether it imagines.
pub type Model<'m> = dyn FnMut(&Batch, bool) -> Result<Vec<f32>> + 'm;

/// What a model said of each clip of a split, in the order of the corpus.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Utterance ids.
    pub ids: Vec<String>,
    /// Sentiment in [-3, 3].
    pub labels: Vec<f64>,
    /// Valences by mode.
    pub modes: Vec<(Mode, Vec<f64>)>,
}

impl Predictions {
    /// Prediction and label of each clip in a mode; empty for a mode that was not asked for.
    pub fn pairs(&self, mode: Mode) -> Vec<(f64, f64)> {
        let valences = self.modes.iter().find(|(m, _)| *m == mode).map(|(_, v)| v.as_slice()).unwrap_or_default();
        valences.iter().copied().zip(self.labels.iter().copied()).collect()
    }
}

/// Predicts every clip of `split` in batches of `batch` clips, in the order of the corpus: with reference padding a
/// prediction depends on its neighbours, so order and batch are part of the protocol. `tell` hears of clips done.
///
/// # Errors
/// What reading or the model finds wrong; Engine when the model gives another number of valences than clips, or one that
/// is not finite.
pub fn predict(
    source: &dyn Source,
    split: Split,
    modes: &[Mode],
    batch: usize,
    model: &mut Model<'_>,
    tell: &mut dyn FnMut(usize, usize),
) -> Result<Predictions> {
    let total = source.len(split);
    let mut found = Predictions {
        ids: Vec::with_capacity(total),
        labels: Vec::with_capacity(total),
        modes: modes.iter().map(|mode| (*mode, Vec::with_capacity(total))).collect(),
    };
    each_batch(source, split, &in_order(total, batch), &mut |batch| {
        for (mode, valences) in &mut found.modes {
            let said = model(&mode.apply(&batch), mode.text_missing())?;
            let wrong = |reason: String| Err(TrainerError::Engine { action: "predict valences", reason });
            if said.len() != batch.ids.len() {
                return wrong(format!("mode {mode}: {} valences for {} clips", said.len(), batch.ids.len()));
            }
            if let Some((id, value)) = batch.ids.iter().zip(&said).find(|(_, v)| !v.is_finite()) {
                return wrong(format!(
                    "mode {mode}: clip {id} has the valence {value}; are the weights those of a finished run?"
                ));
            }
            valences.extend(said.into_iter().map(f64::from));
        }
        found.ids.extend(batch.ids);
        found.labels.extend(batch.labels.into_iter().map(f64::from));
        tell(found.ids.len(), total);
        Ok(())
    })?;
    Ok(found)
}

/// Numbers of `total` clips in the order of the corpus, in batches of `batch`; the last one may be smaller.
pub(super) fn in_order(total: usize, batch: usize) -> Vec<Vec<usize>> {
    let clips: Vec<usize> = (0..total).collect();
    clips.chunks(batch.max(1)).map(<[usize]>::to_vec).collect()
}
