//! Connectionist temporal classification: a transcript without times as the target of scores by frame.
//!
//! A path gives every frame one choice, of which number 0 is blank; runs of a choice count once and blanks fall out. The
//! loss of a clip is -log of the summed probability of all paths that read as its target. Forward and backward sums run
//! over the target with a blank before, between and after its labels, in logarithms.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{log_sum, plain, refused, with_slope};
use crate::Result;

/// The choice that stands for nothing.
const BLANK: u32 = 0;

/// -log of the probability that `scores` [frames, choices], row-major, read as `target`, and its slope by the scores.
/// A target that has no path (too few frames) gives infinity and a slope of 0.
pub fn ctc_loss(scores: &[f64], choices: usize, target: &[u32]) -> (f64, Vec<f64>) {
    let rows: Vec<&[f64]> = scores.chunks_exact(choices.max(1)).collect();
    let wholes: Vec<f64> = rows.iter().map(|row| log_sum(row)).collect();
    // Blank, label, blank, label, .., blank.
    let places: Vec<usize> =
        std::iter::once(BLANK).chain(target.iter().flat_map(|&l| [l, BLANK])).map(|l| l as usize).collect();
    let n = places.len();
    let mut slope = vec![0.0; scores.len()];
    if rows.is_empty() || places.iter().any(|&place| place >= choices) {
        return (f64::INFINITY, slope);
    }
    let log = |frame: usize, place: usize| rows[frame][places[place]] - wholes[frame];
    // A label may follow the one before it without a blank between, unless both are the same.
    let skips = |place: usize| place >= 2 && places[place] != BLANK as usize && places[place] != places[place - 2];
    let mut forward = vec![vec![f64::NEG_INFINITY; n]; rows.len()];
    for frame in 0..rows.len() {
        for place in 0..n {
            let before = if frame == 0 {
                if place < 2 { 0.0 } else { f64::NEG_INFINITY }
            } else {
                let last = &forward[frame - 1];
                let step = if place > 0 { last[place - 1] } else { f64::NEG_INFINITY };
                let skip = if skips(place) { last[place - 2] } else { f64::NEG_INFINITY };
                log_sum(&[last[place], step, skip])
            };
            forward[frame][place] = before + log(frame, place);
        }
    }
    let ends = |sums: &[f64]| log_sum(&sums[n.saturating_sub(2)..]);
    let whole = ends(&forward[rows.len() - 1]);
    if whole == f64::NEG_INFINITY {
        return (f64::INFINITY, slope);
    }
    // What follows a frame, without the frame itself.
    let mut backward: Vec<f64> = (0..n).map(|place| if place + 2 >= n { 0.0 } else { f64::NEG_INFINITY }).collect();
    for frame in (0..rows.len()).rev() {
        let out = &mut slope[frame * choices..][..choices];
        for (choice, out) in out.iter_mut().enumerate() {
            *out = (rows[frame][choice] - wholes[frame]).exp();
        }
        for place in 0..n {
            out[places[place]] -= (forward[frame][place] + backward[place] - whole).exp();
        }
        let next: Vec<f64> = (0..n).map(|place| backward[place] + log(frame, place)).collect();
        backward = (0..n)
            .map(|place| {
                let step = if place + 1 < n { next[place + 1] } else { f64::NEG_INFINITY };
                let skip = if place + 2 < n && skips(place + 2) { next[place + 2] } else { f64::NEG_INFINITY };
                log_sum(&[next[place], step, skip])
            })
            .collect();
    }
    (-whole, slope)
}

/// The mean over clips of [`ctc_loss`] by label of the target, as a tensor `[1]` with its slope.
///
/// `scores` [clips x longest, choices] has the clips one after the other, each padded to the longest; `frames` says how
/// many of each count, `targets` what they read, no label of which is 0.
///
/// # Errors
/// [`crate::TrainerError::Input`] for numbers of clips that differ, labels that are no choices, and targets that do not
/// fit in their frames.
pub fn ctc(scores: Tensor<2>, frames: &[usize], targets: &[Vec<u32>]) -> Result<Tensor<1>> {
    let [rows, choices] = scores.dims();
    let clips = frames.len();
    if clips == 0 || clips != targets.len() || !rows.is_multiple_of(clips) {
        let found = format!("{clips} lengths, {} targets, {rows} rows of scores", targets.len());
        return Err(refused("the number of clips", "at least 1, the same everywhere", found));
    }
    let longest = rows / clips;
    for (clip, (&frames, target)) in frames.iter().zip(targets).enumerate() {
        if let Some(label) = target.iter().find(|&&label| label == BLANK || label as usize >= choices) {
            let expected = format!("1 to {}", choices.saturating_sub(1));
            return Err(refused(format!("a label of clip {clip}"), expected, label.to_string()));
        }
        let doubled = target.windows(2).filter(|pair| pair[0] == pair[1]).count();
        let least = (target.len() + doubled).max(1);
        if !(least..=longest).contains(&frames) {
            let expected = format!("{least}, which its target needs, to {longest}");
            return Err(refused(format!("the number of frames of clip {clip}"), expected, frames.to_string()));
        }
    }
    let numbers = plain(&scores)?;
    let size = longest * choices;
    let mut slope = vec![0.0; numbers.len()];
    let values: Vec<f64> = slope
        .par_chunks_mut(size)
        .zip(numbers.par_chunks(size))
        .zip(frames.par_iter().zip(targets))
        .map(|((out, scores), (&frames, target))| {
            let (value, slope) = ctc_loss(scores.get(..frames * choices).unwrap_or_default(), choices, target);
            let share = 1.0 / (clips * target.len().max(1)) as f64;
            out.iter_mut().zip(slope).for_each(|(out, slope)| *out = slope * share);
            value * share
        })
        .collect();
    Ok(with_slope(scores, values.iter().sum(), slope))
}

/// What the likeliest choice of each frame of `scores` [frames, choices] reads as.
pub fn greedy(scores: &[f32], choices: usize) -> Vec<u32> {
    let best = scores.chunks_exact(choices.max(1)).map(|row| {
        let best =
            row.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (i, &s)| if s > best.1 { (i, s) } else { best });
        best.0 as u32
    });
    let mut path: Vec<u32> = best.collect();
    path.dedup();
    path.retain(|&label| label != BLANK);
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{mix, unit};

    fn scores(key: u64, n: usize) -> Vec<f64> {
        (0..n).map(|i| 6.0 * unit(mix(key, i as u64)) - 3.0).collect()
    }

    /// What a path reads as.
    fn read(path: &[u32]) -> Vec<u32> {
        let mut path = path.to_vec();
        path.dedup();
        path.retain(|&label| label != BLANK);
        path
    }

    /// -log of the sum over every path there is.
    fn by_definition(scores: &[f64], choices: usize, target: &[u32]) -> f64 {
        let rows: Vec<Vec<f64>> = scores
            .chunks_exact(choices)
            .map(|row| {
                let whole: f64 = row.iter().map(|s| s.exp()).sum();
                row.iter().map(|s| s.exp() / whole).collect()
            })
            .collect();
        let mut sum = 0.0;
        for number in 0..choices.pow(rows.len() as u32) {
            let path: Vec<u32> =
                (0..rows.len()).map(|frame| (number / choices.pow(frame as u32) % choices) as u32).collect();
            if read(&path) == target {
                sum += path.iter().zip(&rows).map(|(&label, row)| row[label as usize]).product::<f64>();
            }
        }
        -sum.ln()
    }

    #[test]
    fn value_and_slope_are_those_of_all_paths() {
        let cases: [(usize, usize, &[u32]); 8] = [
            (1, 3, &[]),
            (4, 3, &[]),
            (1, 3, &[2]),
            (5, 3, &[1, 2]),
            (6, 3, &[1, 1]),
            (6, 4, &[3, 1, 3]),
            (3, 3, &[1, 1]),
            (7, 3, &[2, 2, 2]),
        ];
        for (case, (frames, choices, target)) in cases.into_iter().enumerate() {
            let scores = scores(case as u64, frames * choices);
            let (value, slope) = ctc_loss(&scores, choices, target);
            let expected = by_definition(&scores, choices, target);
            assert!((value - expected).abs() < 1e-10, "{target:?} in {frames}: {value}, expected {expected}");
            for i in 0..scores.len() {
                let at = |step: f64| {
                    let mut moved = scores.clone();
                    moved[i] += step;
                    by_definition(&moved, choices, target)
                };
                let expected = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!((slope[i] - expected).abs() < 1e-8, "{target:?}, {i}: {}, expected {expected}", slope[i]);
            }
        }
    }

    #[test]
    fn all_targets_together_have_probability_one() {
        let (frames, choices) = (4, 3);
        let scores = scores(11, frames * choices);
        let mut sum = 0.0;
        for length in 0..=frames as u32 {
            for number in 0..2usize.pow(length) {
                let target: Vec<u32> = (0..length).map(|i| 1 + (number >> i & 1) as u32).collect();
                sum += (-ctc_loss(&scores, choices, &target).0).exp();
            }
        }
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }

    #[test]
    fn long_clips_stay_finite_and_short_ones_have_no_path() {
        let scores = scores(5, 2000 * 4).iter().map(|s| 30.0 * s).collect::<Vec<_>>();
        let target: Vec<u32> = (0..300).map(|i| 1 + i % 3).collect();
        let (value, slope) = ctc_loss(&scores, 4, &target);
        assert!(value.is_finite() && slope.iter().all(|s| s.is_finite()), "{value}");
        assert_eq!(ctc_loss(&[0.0; 6], 3, &[1, 1]).0, f64::INFINITY);
    }

    #[test]
    fn the_likeliest_path_is_read_without_runs_and_blanks() {
        let row = |label: usize| (0..3).map(move |i| if i == label { 1.0 } else { 0.0 });
        let scores: Vec<f32> = [0, 1, 1, 0, 1, 2, 2, 0].into_iter().flat_map(row).collect();
        assert_eq!(greedy(&scores, 3), [1, 1, 2]);
    }
}
