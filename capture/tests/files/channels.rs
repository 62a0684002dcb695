//! Several channels become one.

use mien_capture::file;

use super::material::{Dice, Encoding, chirp, ffmpeg, folder, sine, text, wav};

/// Noise that has nothing to do with any other.
fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut dice = Dice(seed);
    (0..len).map(|_| dice.below(2000) as f32 / 2000.0 - 0.5).collect()
}

#[test]
fn channels_that_cancel_each_other_are_not_mixed() {
    let dir = folder();
    let left = chirp(16_000, 8_000);
    // Inverted; a little weaker, with an offset that would hide it; in all codecs.
    let stereo: Vec<f32> = left.iter().flat_map(|s| [0.9 * s + 0.1, -s + 0.1]).collect();
    let source = wav(dir.path(), "inverted.wav", &stereo, 8_000, 2, Encoding::I16);
    let flac = dir.path().join("inverted.flac");
    ffmpeg(&["-i", text(&source), text(&flac)]);
    for path in [source, flac] {
        let media = file::open(&path).unwrap();
        assert!(
            media.notes.iter().any(|note| note.contains("cancel each other") && note.contains("channel 2")),
            "{:?}",
            media.notes
        );
        let samples = media.audio.unwrap().into_samples();
        assert_eq!(samples.len(), left.len());
        let worst = samples.iter().zip(&left).map(|(a, b)| (a - (0.1 - b)).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "{worst}");
    }
}

/// Whatever else two channels have to do with each other, their mean is taken, to the last bit.
#[test]
fn other_channels_are_mixed() {
    let dir = folder();
    let left = sine(8_000, 16_000, 300.0, 0.5);
    for (what, right) in [
        ("equal", left.clone()),
        ("unrelated", noise(8_000, 7)),
        ("silent", vec![0.0; 8_000]),
        ("half inverted", left.iter().map(|s| -0.3 * s).collect()),
        ("late", [vec![0.0; 13], left[..7_987].to_vec()].concat()),
    ] {
        let stereo: Vec<f32> = left.iter().zip(&right).flat_map(|(l, r)| [*l, *r]).collect();
        let media = file::open(&wav(dir.path(), "stereo.wav", &stereo, 16_000, 2, Encoding::F32)).unwrap();
        assert!(media.notes.is_empty(), "{what}: {:?}", media.notes);
        let truth: Vec<f32> = left.iter().zip(&right).map(|(l, r)| (l + r) * 0.5).collect();
        assert!(media.audio.unwrap().samples() == truth, "{what}");
    }
    let silence = wav(dir.path(), "silence.wav", &[0.0; 2_000], 16_000, 2, Encoding::F32);
    assert!(file::open(&silence).unwrap().notes.is_empty());
}
