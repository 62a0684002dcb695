//! What MA-Net tells of faces that it never learned from.

use super::class_of;
use super::classes::{CLASSES, valence_of};
use super::crops::{Seen, pixels};
use crate::course::Measures;
use crate::networks::Norms;
use crate::pocket::hearing::{correlation, mean};
use crate::train::ManetStage;
use crate::{Result, TrainerError};

/// Faces that are computed together.
const TOGETHER: usize = 8;

/// Share of right classes; how the faces' valences are told by the mean of both branches' shares.
pub(super) fn measure(stage: &ManetStage, faces: &[Seen]) -> Result<Measures> {
    let (mut right, mut told) = (0usize, Vec::new());
    for batch in faces.chunks(TOGETHER) {
        let batch: Vec<&Seen> = batch.iter().collect();
        let states = stage.manet.states(&pixels(&batch), Norms::Running)?;
        let failed = |e| TrainerError::Engine { action: "read the scores", reason: format!("{e:?}") };
        let [one, other] = [states.logits_1, states.logits_2].map(|logits| logits.inner().try_into_vec_as::<f64>());
        let (one, other) = (one.map_err(failed)?, other.map_err(failed)?);
        for ((face, one), other) in batch.iter().zip(one.chunks(CLASSES)).zip(other.chunks(CLASSES)) {
            let (one, other) = (shares(one), shares(other));
            let both: Vec<f64> = one.iter().zip(&other).map(|(a, b)| (a + b) / 2.0).collect();
            let likeliest =
                both.iter().enumerate().fold((0, 0.0), |best, (i, &p)| if p > best.1 { (i, p) } else { best });
            right += usize::from(likeliest.0 as u32 == class_of(face.valence));
            told.push((face.valence, valence_of(&both)));
        }
    }
    Ok(Measures::from([
        ("accuracy".into(), right as f64 / faces.len().max(1) as f64),
        ("valence_mae".into(), mean(told.iter().map(|(shown, told)| (shown - told).abs()))),
        ("valence_correlation".into(), correlation(&told)),
    ]))
}

fn shares(logits: &[f64]) -> Vec<f64> {
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = logits.iter().map(|x| (x - highest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}
