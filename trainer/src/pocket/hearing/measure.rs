//! What WavLM recognises of clips that it never learned from.

use super::stage::Scores;
use super::{Heard, HearingStage};
use crate::course::Measures;
use crate::networks::objective::greedy;
use crate::pocket::clips::ErrorRate;
use crate::{Result, TrainerError};

/// Clips that are computed together.
const TOGETHER: usize = 8;

/// Word errors of the likeliest labels, and how the voices' valences are told.
pub(super) fn measure(stage: &HearingStage, clips: &[Heard]) -> Result<Measures> {
    let (mut rate, mut told) = (ErrorRate::default(), Vec::new());
    for batch in clips.chunks(TOGETHER) {
        let Scores { words, valence, frames } = stage.scores(batch)?;
        let [rows, choices] = words.dims();
        let longest = rows / batch.len().max(1);
        let failed = |e| TrainerError::Engine { action: "read the scores", reason: format!("{e:?}") };
        let words = words.inner().try_into_vec_as::<f32>().map_err(failed)?;
        let valence = valence.inner().try_into_vec_as::<f32>().map_err(failed)?;
        for (i, (clip, frames)) in batch.iter().zip(frames).enumerate() {
            let scores = words.get(i * longest * choices..).unwrap_or_default();
            rate.add(&clip.words, &greedy(scores.get(..frames * choices).unwrap_or_default(), choices));
        }
        told.extend(batch.iter().zip(valence).filter_map(|(clip, told)| Some((clip.valence?, f64::from(told)))));
    }
    Ok(Measures::from([
        ("word_errors".into(), rate.rate()),
        ("whole_sentences".into(), rate.whole_share()),
        ("valence_mae".into(), mean(told.iter().map(|(felt, told)| (felt - told).abs()))),
        ("valence_correlation".into(), correlation(&told)),
    ]))
}

pub(in crate::pocket) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len().max(1) as f64;
    values.sum::<f64>() / n
}

/// Pearson's, 0 where one side does not vary.
pub(in crate::pocket) fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let (a, b) = (mean(pairs.iter().map(|p| p.0)), mean(pairs.iter().map(|p| p.1)));
    let sum = |of: fn(f64, f64) -> f64| pairs.iter().map(|(x, y)| of(x - a, y - b)).sum::<f64>();
    let spread = (sum(|x, _| x * x) * sum(|_, y| y * y)).sqrt();
    if spread > 0.0 { sum(|x, y| x * y) / spread } else { 0.0 }
}
