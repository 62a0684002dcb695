//! The utterance as the network takes it: normalised, at least one frame long, no sample that no frame sees.

use super::config::{FIELD, HOP};
use crate::{ModelError, Result};

/// Added to the variance, as the published feature extractor does.
const VARIANCE_FLOOR: f64 = 1e-7;

/// Zero mean and unit variance over the whole utterance; then zeros up to 400 samples, or the tail that fills no whole
/// frame cut off (spec section 2.1).
///
/// `samples` is mono at 16 kHz, any level. The result has 320 T + 80 samples for T frames. Cutting is exact: the samples
/// cut are read by no convolution. They count in mean and variance.
///
/// # Errors
/// [`ModelError::Contract`] for an empty utterance, [`ModelError::NotFinite`] for NaN or infinity.
pub fn prepare(samples: &[f32]) -> Result<Vec<f32>> {
    if samples.is_empty() {
        return Err(ModelError::Contract {
            model: "WavLM".into(),
            tensor: "waveform".into(),
            expected: "at least 1 sample at 16 kHz".into(),
            found: "an empty utterance".into(),
        });
    }
    if let Some((index, &value)) = samples.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        return Err(ModelError::NotFinite { origin: "WavLM".into(), what: "waveform".into(), index, value });
    }
    let count = samples.len() as f64;
    let mean = samples.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let variance = samples.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
    let scale = (variance + VARIANCE_FLOOR).sqrt().recip();
    let length = fitted_length(samples.len());
    let mut out = Vec::with_capacity(length);
    out.extend(samples.iter().take(length).map(|&v| ((f64::from(v) - mean) * scale) as f32));
    out.resize(length, 0.0);
    Ok(out)
}

/// Samples that the network reads of an utterance of `samples`: 320 T + 80.
fn fitted_length(samples: usize) -> usize {
    let samples = samples.max(FIELD);
    samples - (samples - FIELD) % HOP
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn length_is_whole_frames() {
        for (samples, length) in [(1, 400), (399, 400), (400, 400), (719, 400), (720, 720), (16_000, 15_760)] {
            assert_eq!(fitted_length(samples), length, "{samples} samples");
            assert_eq!(prepare(&vec![0.5; samples]).unwrap().len(), length);
        }
    }

    #[test]
    fn mean_is_zero_and_variance_one_over_what_was_said() {
        let wave: Vec<f32> = (0..720).map(|i| 0.25 + 0.01 * (i as f32 * 0.1).sin()).collect();
        let out = prepare(&wave).unwrap();
        let mean = out.iter().map(|&v| f64::from(v)).sum::<f64>() / 720.0;
        let variance = out.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / 720.0;
        assert!(mean.abs() < 1e-6, "mean {mean}");
        // The floor takes 1e-7 / 5e-5 off.
        assert!((variance - 1.0).abs() < 3e-3, "variance {variance}");
    }

    #[test]
    fn padding_stays_outside_mean_and_variance() {
        let out = prepare(&[1.0, 3.0]).unwrap();
        assert_eq!(out.len(), 400);
        assert!((out[0] + 1.0).abs() < 1e-6 && (out[1] - 1.0).abs() < 1e-6);
        assert!(out[2..].iter().all(|&v| v == 0.0));
    }

    #[test]
    fn silence_and_a_constant_give_zeros() {
        assert!(prepare(&[0.0; 800]).unwrap().iter().all(|&v| v == 0.0));
        assert!(prepare(&[0.7; 800]).unwrap().iter().all(|&v| v.abs() < 1e-6));
    }

    #[test]
    fn extreme_levels_stay_finite() {
        for level in [f32::MAX, f32::MIN_POSITIVE] {
            let wave: Vec<f32> = (0..400).map(|i| if i % 2 == 0 { level } else { -level }).collect();
            assert!(prepare(&wave).unwrap().iter().all(|v| v.is_finite()));
        }
    }

    #[test]
    fn no_sample_and_bad_samples_are_refused() {
        assert!(matches!(prepare(&[]), Err(ModelError::Contract { .. })));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            // Also in the tail that would be cut off.
            let mut wave = vec![0.0; 500];
            wave[450] = bad;
            assert!(matches!(prepare(&wave), Err(ModelError::NotFinite { index: 450, .. })));
        }
    }
}
