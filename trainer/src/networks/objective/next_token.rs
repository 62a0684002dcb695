//! Cross entropy over choices: tokens of a language model, classes of a picture.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{log_sum, plain, refused, with_slope};
use crate::Result;

/// The mean over all rows with a target of -log of the share that `scores` [N, choices], row-major, give it, and its
/// slope [N, choices]; rows without a target have no slope. No target at all gives 0.
pub fn cross_entropy(scores: &[f64], choices: usize, targets: &[Option<u32>]) -> (f64, Vec<f64>) {
    let count = targets.iter().flatten().count().max(1) as f64;
    let mut slope = vec![0.0; scores.len()];
    let rows = slope.par_chunks_mut(choices.max(1)).zip(scores.par_chunks(choices.max(1))).zip(targets);
    let values: Vec<f64> = rows
        .map(|((slope, scores), target)| {
            let Some(target) = target.and_then(|target| scores.get(target as usize).map(|score| (target, *score)))
            else {
                return 0.0;
            };
            let whole = log_sum(scores);
            for (choice, (slope, score)) in slope.iter_mut().zip(scores).enumerate() {
                let chosen = f64::from(u8::from(choice == target.0 as usize));
                *slope = ((score - whole).exp() - chosen) / count;
            }
            whole - target.1
        })
        .collect();
    (values.iter().sum::<f64>() / count, slope)
}

/// [`cross_entropy`] of `scores` [N, choices] as a tensor `[1]` with its slope.
///
/// # Errors
/// [`crate::TrainerError::Input`] for another number of targets or a target that is no choice.
pub fn next_token(scores: Tensor<2>, targets: &[Option<u32>]) -> Result<Tensor<1>> {
    let [rows, choices] = scores.dims();
    if targets.len() != rows {
        return Err(refused("the number of targets", rows.to_string(), targets.len().to_string()));
    }
    if let Some(target) = targets.iter().flatten().find(|&&target| target as usize >= choices) {
        return Err(refused("a target", format!("0 to {}", choices.saturating_sub(1)), target.to_string()));
    }
    let (value, slope) = cross_entropy(&plain(&scores)?, choices, targets);
    Ok(with_slope(scores, value, slope))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{mix, unit};

    #[test]
    fn value_and_slope_are_those_of_the_definition() {
        let (rows, choices) = (5, 7);
        let scores: Vec<f64> = (0..rows * choices).map(|i| 6.0 * unit(mix(3, i as u64)) - 3.0).collect();
        let targets = [Some(2), None, Some(0), Some(6), None];
        let definition = |scores: &[f64]| {
            let shares = |row: usize, target: u32| {
                let row = &scores[row * choices..][..choices];
                row[target as usize].exp() / row.iter().map(|s| s.exp()).sum::<f64>()
            };
            let given: Vec<f64> =
                targets.iter().enumerate().filter_map(|(row, t)| t.map(|t| -shares(row, t).ln())).collect();
            given.iter().sum::<f64>() / given.len() as f64
        };
        let (value, slope) = cross_entropy(&scores, choices, &targets);
        assert!((value - definition(&scores)).abs() < 1e-12);
        for i in 0..scores.len() {
            let at = |step: f64| {
                let mut moved = scores.clone();
                moved[i] += step;
                definition(&moved)
            };
            let expected = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((slope[i] - expected).abs() < 1e-9, "{i}: {}, expected {expected}", slope[i]);
        }
    }

    #[test]
    fn far_scores_and_no_target_give_finite_numbers() {
        let (value, slope) = cross_entropy(&[1e4, -1e4, 0.0], 3, &[Some(1)]);
        assert!((value - 2e4).abs() < 1e-9 && (slope[0] - 1.0).abs() < 1e-12, "{value} {slope:?}");
        assert_eq!(cross_entropy(&[1.0, 2.0], 2, &[None]), (0.0, vec![0.0, 0.0]));
    }
}
