//! Leaving out frames while training: the published program draws them and never uses the result (spec section 6).

use std::borrow::Cow;

use crate::data::{Batch, Stream};
use crate::hash::{key, mix, unit};

/// Tells these draws from those of dropout.
const FRAMES: u64 = 0x6672_616d_6573;

/// `batch` without a `share` of its audio and video rows, one row of each clip at least. Which rows is a function of
/// `seed`, `step`, stream, place in the batch and row; both flows see the same ones.
pub(super) fn without_frames(batch: &Batch, share: f64, seed: u64, step: u64) -> Cow<'_, Batch> {
    if share == 0.0 {
        return Cow::Borrowed(batch);
    }
    let mut fewer = batch.clone();
    for (number, stream) in [&mut fewer.audio, &mut fewer.video].into_iter().enumerate() {
        let key = key(&[FRAMES, seed, step, number as u64]);
        *stream = kept(stream, |clip, row| unit(mix(mix(key, clip as u64), row as u64)) >= share);
    }
    Cow::Owned(fewer)
}

/// The rows that `keep` says, in their order; a clip's first row where it says none.
fn kept(stream: &Stream, keep: impl Fn(usize, usize) -> bool) -> Stream {
    let &Stream { longest, width, .. } = stream;
    let chosen: Vec<Vec<usize>> = stream
        .lengths
        .iter()
        .enumerate()
        .map(|(clip, &length)| {
            let rows: Vec<usize> = (0..length).filter(|&row| keep(clip, row)).collect();
            if rows.is_empty() { vec![0] } else { rows }
        })
        .collect();
    let lengths: Vec<usize> = chosen.iter().map(Vec::len).collect();
    let most = lengths.iter().copied().max().unwrap_or(1);
    let mut rows = vec![0.0; lengths.len() * most * width];
    let clips = stream.rows.chunks((longest * width).max(1)).zip(rows.chunks_mut((most * width).max(1)));
    for ((from, to), chosen) in clips.zip(&chosen) {
        for (&row, to) in chosen.iter().zip(to.chunks_mut(width.max(1))) {
            if let Some(from) = from.get(row * width..(row + 1) * width) {
                to.copy_from_slice(from);
            }
        }
    }
    Stream { rows, lengths, longest: most, width }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(lengths: &[usize]) -> Stream {
        let longest = lengths.iter().copied().max().unwrap_or(1);
        let mut rows = vec![0.0; lengths.len() * longest * 2];
        for (clip, rows) in rows.chunks_mut(longest * 2).enumerate() {
            for (t, row) in rows.chunks_mut(2).take(lengths[clip]).enumerate() {
                row.copy_from_slice(&[clip as f32 + 1.0, t as f32]);
            }
        }
        Stream { rows, lengths: lengths.to_vec(), longest, width: 2 }
    }

    fn batch(lengths: &[usize]) -> Batch {
        let s = || stream(lengths);
        let ids = (0..lengths.len()).map(|i| i.to_string()).collect();
        Batch { ids, audio: s(), text: s(), simulated: s(), video: s(), labels: vec![0.0; lengths.len()] }
    }

    #[test]
    fn a_share_of_frames_goes_and_the_others_stay_in_order() {
        let all = batch(&[4000, 1000, 1]);
        assert_eq!(without_frames(&all, 0.0, 1, 2).into_owned(), all);
        let fewer = without_frames(&all, 0.2, 1, 2).into_owned();
        assert_eq!((&fewer.text, &fewer.simulated, &fewer.labels), (&all.text, &all.simulated, &all.labels));
        for stream in [&fewer.audio, &fewer.video] {
            // 3200 and 800 of them, standard deviations 25 and 13.
            assert!(stream.lengths[0].abs_diff(3200) < 130 && stream.lengths[1].abs_diff(800) < 65, "{stream:?}");
            assert_eq!((stream.lengths[2], stream.longest), (1, stream.lengths[0]));
            for (clip, rows) in stream.rows.chunks(stream.longest * 2).enumerate() {
                let (rows, padding) = rows.split_at(stream.lengths[clip] * 2);
                let times: Vec<f32> = rows.chunks(2).map(|row| row[1]).collect();
                assert!(times.is_sorted_by(|a, b| a < b) && rows.chunks(2).all(|row| row[0] == clip as f32 + 1.0));
                assert!(padding.iter().all(|v| *v == 0.0));
            }
        }
        assert_ne!(fewer.audio, fewer.video, "each stream has draws of its own");
        assert_eq!(without_frames(&all, 0.2, 1, 2).into_owned(), fewer);
        assert_ne!(without_frames(&all, 0.2, 1, 3).into_owned(), fewer);
        assert_ne!(without_frames(&all, 0.2, 2, 2).into_owned(), fewer);
    }

    #[test]
    fn every_clip_keeps_a_frame() {
        let fewer = without_frames(&batch(&[3; 200]), 0.99, 7, 0).into_owned();
        assert!(fewer.audio.lengths.iter().all(|&n| n >= 1) && fewer.audio.longest <= 3);
    }
}
