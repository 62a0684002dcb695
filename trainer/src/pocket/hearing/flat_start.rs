//! A first guess of when each word is said.
//!
//! CTC by itself lets a network that knows nothing say blank everywhere for long. So it begins from a flat start, as
//! recognisers of speech have long done: a clip's speech is shared among its words by their letters, and every frame learns the
//! word that falls to it. The guess is right within a tenth of a second or two, which is enough to tell words apart; CTC
//! takes over step by step and finds the times itself.

/// Samples of a frame.
const FRAME: usize = 320;
/// A frame with less than this share of the loudest one's power is no speech: noise is 14 dB or more below speech, whose
/// loudest frame stands some dB above its mean.
const SPEECH: f64 = 0.02;

/// The label of each frame of `waveform` if `words`, label and letters of each, last as long as they have letters; 0
/// (blank) before and after speech.
pub(super) fn flat_labels(waveform: &[f32], words: &[(u32, usize)]) -> Vec<u32> {
    let power = |frame: &[f32]| frame.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    let powers: Vec<f64> = waveform.chunks_exact(FRAME).map(power).collect();
    let loudest = powers.iter().copied().fold(0.0, f64::max);
    let mut labels = vec![0; powers.len()];
    let speech = |power: &f64| *power > SPEECH * loudest;
    let (Some(first), Some(last)) = (powers.iter().position(speech), powers.iter().rposition(speech)) else {
        return labels;
    };
    let letters: usize = words.iter().map(|(_, letters)| letters).sum();
    let spoken = last + 1 - first;
    let mut ended = 0;
    for &(label, own) in words {
        let from = first + ended * spoken / letters.max(1);
        ended += own;
        let to = first + ended * spoken / letters.max(1);
        labels.get_mut(from..to).unwrap_or_default().fill(label);
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_share_the_speech_by_their_letters_and_silence_is_blank() {
        // 4 frames of a whisper, 12 of speech, 4 of a whisper.
        let wave: Vec<f32> = (0..20 * FRAME + 80)
            .map(|n| if (4 * FRAME..16 * FRAME).contains(&n) { 1.0 } else { 0.1 })
            .map(|size: f32| size * 0.5)
            .collect();
        let labels = flat_labels(&wave, &[(7, 2), (3, 1), (9, 3)]);
        let expected = [(0, 4), (7, 4), (3, 2), (9, 6), (0, 4)];
        let expected: Vec<u32> = expected.into_iter().flat_map(|(label, n)| std::iter::repeat_n(label, n)).collect();
        assert_eq!(labels, expected);
        assert_eq!(flat_labels(&[0.0; 5 * FRAME + 80], &[(1, 4)]), [0; 5]);
        assert_eq!(flat_labels(&wave, &[]), [0; 20]);
    }
}
