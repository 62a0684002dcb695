//! The resampler's law: the same sound at another rate, of exact length, without delay.

use mien_capture::{AudioClip, SampleRate, to_rate};

use super::material::{best_shift, chirp, sine};

fn resampled(samples: Vec<f32>, from: u32, to: u32) -> Vec<f32> {
    let clip = AudioClip::new(samples, SampleRate::new(from).unwrap()).unwrap();
    let clip = to_rate(clip, SampleRate::new(to).unwrap()).unwrap();
    assert_eq!(clip.rate().hz(), to);
    clip.into_samples()
}

#[test]
fn a_tone_stays_the_tone_it_was() {
    for (from, to) in [(8_000, 16_000), (44_100, 16_000), (48_000, 16_000), (96_000, 16_000), (16_000, 48_000)] {
        // Up to nine tenths of what the lower rate can carry.
        for hz in [100.0, 440.0, 1000.0, 3000.0, 0.45 * f64::from(from.min(to))] {
            let output = resampled(sine(from as usize * 2, from, hz, 0.5), from, to);
            let truth = sine(output.len(), to, hz, 0.5);
            // The clip begins and ends on a cut, which no band-limited signal has: the ringing there is left out.
            let inner = to as usize / 10..output.len() - to as usize / 10;
            let worst = inner.map(|i| (output[i] - truth[i]).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-3, "{from} -> {to}, {hz} Hz: off by {worst}");
        }
    }
}

#[test]
fn what_the_new_rate_cannot_carry_is_taken_out() {
    // 9 kHz would come back as 7 kHz.
    let output = resampled(sine(96_000, 48_000, 9_000.0, 0.5), 48_000, 16_000);
    let inner = &output[1600..output.len() - 1600];
    let peak = inner.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!(peak < 1e-3, "alias of {peak}");
}

#[test]
fn lengths_are_exact() {
    for (from, to) in
        [(8_000, 16_000), (11_025, 16_000), (22_050, 16_000), (44_100, 16_000), (48_000, 16_000), (7_919, 16_000)]
    {
        for len in [0, 1, 2, 3, 159, 160, 161, 1023, 1024, 1025, 44_100, 68_545] {
            let expected = (len as f64 * f64::from(to) / f64::from(from)).round() as usize;
            assert_eq!(resampled(vec![0.25; len], from, to).len(), expected, "{len} samples, {from} -> {to}");
        }
    }
}

#[test]
fn nothing_is_delayed() {
    for (from, to) in [(8_000, 16_000), (44_100, 16_000), (48_000, 16_000), (96_000, 16_000)] {
        let output = resampled(chirp(from as usize, from), from, to);
        let truth = chirp(to as usize, to);
        let (shift, likeness) = best_shift(&truth, &output, 400);
        assert_eq!(shift, 0, "{from} -> {to}");
        assert!(likeness > 0.9999, "{from} -> {to}: {likeness}");
    }
}

#[test]
fn a_clip_at_the_rate_is_moved_and_results_repeat() {
    let samples = chirp(16_000, 16_000);
    let place = samples.as_ptr();
    let same = resampled(samples, 16_000, 16_000);
    assert_eq!(same.as_ptr(), place);
    assert_eq!(resampled(chirp(4_000, 44_100), 44_100, 16_000), resampled(chirp(4_000, 44_100), 44_100, 16_000));
}
