//! What a network makes of clips before it answers: features and weights, in both flows.

use super::run::in_order;
use crate::data::prefetch::each_batch;
use crate::data::{Source, Split};
use crate::model::Flow;
use crate::train::{Learner, numbers};
use crate::{Result, TrainerError};

/// What one flow makes of each clip, in the order of the corpus.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Representations {
    /// f: the contrastive features, D / 4 numbers a clip (published: 64), not normalised.
    pub contrast: Vec<Vec<f32>>,
    /// r: the fused representations, D / 2 numbers a clip (published: 128).
    pub fused: Vec<Vec<f32>>,
    /// Weights of audio, text, video; signed, not normalised.
    pub weights: Vec<[f32; 3]>,
}

/// Both flows of each clip of a split, in the order of the corpus.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Represented {
    /// Utterance ids.
    pub ids: Vec<String>,
    /// Sentiment in [-3, 3].
    pub labels: Vec<f64>,
    /// With real text.
    pub complete: Representations,
    /// With simulated text.
    pub missing: Representations,
}

/// What `learner` makes of every clip of `split`, in batches of `batch` clips in the order of the corpus, as
/// [`predict`](super::predict) asks it. `tell` hears of clips done.
///
/// # Errors
/// What reading or the network finds wrong; Engine for numbers that are not finite.
pub fn represent(
    source: &dyn Source,
    split: Split,
    batch: usize,
    learner: &Learner,
    tell: &mut dyn FnMut(usize, usize),
) -> Result<Represented> {
    let total = source.len(split);
    let mut found = Represented::default();
    each_batch(source, split, &in_order(total, batch), &mut |batch| {
        let [complete, missing] = learner.flows(&batch)?;
        found.complete.take(complete, &batch.ids)?;
        found.missing.take(missing, &batch.ids)?;
        found.ids.extend(batch.ids);
        found.labels.extend(batch.labels.into_iter().map(f64::from));
        tell(found.ids.len(), total);
        Ok(())
    })?;
    Ok(found)
}

impl Representations {
    fn take(&mut self, flow: Flow, ids: &[String]) -> Result<()> {
        let weights = numbers(flow.modality_weights, "read the weights of modalities")?;
        self.weights.extend(weights.as_chunks::<3>().0);
        self.contrast.extend(rows(&numbers(flow.contrast, "read the contrastive features")?, ids)?);
        self.fused.extend(rows(&numbers(flow.fused, "read the fused representations")?, ids)?);
        Ok(())
    }
}

/// `values` [clips, width], row by row.
fn rows(values: &[f32], ids: &[String]) -> Result<Vec<Vec<f32>>> {
    let width = (values.len() / ids.len().max(1)).max(1);
    let rows: Vec<Vec<f32>> = values.chunks_exact(width).map(<[f32]>::to_vec).collect();
    match rows.iter().zip(ids).find(|(row, _)| row.iter().any(|v| !v.is_finite())) {
        None => Ok(rows),
        Some((_, id)) => {
            let reason =
                format!("clip {id} has features that are not finite; are the weights those of a finished run?");
            Err(TrainerError::Engine { action: "represent clips", reason })
        }
    }
}
