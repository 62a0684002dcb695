//! Sound as another voice in another room might have made it, so that what is learned of a few voices holds for others.

use crate::draw::Draw;

/// Share of clips whose speed is changed, and by how much at most.
const RESPED: f64 = 0.5;
const SPEED: f64 = 0.12;
/// Most of the sample before that is added to each one, or taken from it: duller or brighter.
const TILT: f64 = 0.6;
/// Sound over noise: least and most, dB.
const SNR: [f64; 2] = [12.0, 36.0];
/// Holes, and the length of each at most, samples.
const HOLES: usize = 2;
const HOLE: usize = 1600;

/// A variation of a clip's sound.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::pocket) struct Varied {
    /// Mono, 16 kHz.
    pub(in crate::pocket) samples: Vec<f32>,
    /// Whether it is faster and higher, or slower and lower: then it is spoken in another mood, too, as far as rate and pitch
    /// tell.
    pub(in crate::pocket) speed_changed: bool,
}

/// Another variation of `samples` for each `key`.
pub(in crate::pocket) fn varied(samples: &[f32], key: &[u64]) -> Varied {
    let mut draw = Draw::new(key);
    let speed_changed = draw.chance(RESPED);
    let speed = 1.0 + SPEED * (2.0 * draw.unit() - 1.0);
    let mut samples = if speed_changed { at_speed(samples, speed) } else { samples.to_vec() };
    tilt(&mut samples, TILT * (2.0 * draw.unit() - 1.0));
    let snr = SNR[0] + (SNR[1] - SNR[0]) * draw.unit();
    let power = samples.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / samples.len().max(1) as f64;
    // Uniform numbers of width 1 have the variance 1/12.
    let size = (12.0 * power * 10f64.powf(-snr / 10.0)).sqrt();
    samples.iter_mut().for_each(|x| *x += (size * (draw.unit() - 0.5)) as f32);
    for _ in 0..HOLES {
        let from = draw.between(0, samples.len());
        let to = (from + draw.between(0, HOLE)).min(samples.len());
        samples.get_mut(from..to).unwrap_or_default().fill(0.0);
    }
    Varied { samples, speed_changed }
}

/// The sound `speed` times as fast and as high, by cubic Hermite curves through the samples.
fn at_speed(samples: &[f32], speed: f64) -> Vec<f32> {
    let length = (samples.len() as f64 / speed) as usize;
    let at = |n: isize| usize::try_from(n).ok().and_then(|n| samples.get(n)).copied().map_or(0.0, f64::from);
    let sample = |n: usize| {
        let place = n as f64 * speed;
        let (whole, t) = (place.floor() as isize, place.fract());
        let [a, b, c, d] = [-1, 0, 1, 2].map(|i| at(whole + i));
        let [rise, fall] = [(c - a) / 2.0, (d - b) / 2.0];
        let curve = (2.0 * (b - c) + rise + fall) * t + 3.0 * (c - b) - 2.0 * rise - fall;
        ((curve * t + rise) * t + b) as f32
    };
    (0..length).map(sample).collect()
}

/// Adds `share` of each sample to the one after it.
fn tilt(samples: &mut [f32], share: f64) {
    let mut last = 0.0;
    for sample in samples {
        let own = f64::from(*sample);
        *sample = (own + share * last) as f32;
        last = own;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(frequency: f64, length: usize) -> Vec<f32> {
        (0..length).map(|n| (std::f64::consts::TAU * frequency * n as f64 / 16_000.0).sin() as f32).collect()
    }

    #[test]
    fn faster_sound_is_shorter_and_higher() {
        for speed in [0.9, 1.0, 1.1] {
            let found = at_speed(&wave(400.0, 16_000), speed);
            let expected = wave(400.0 * speed, found.len());
            assert!(found.len().abs_diff((16_000.0 / speed) as usize) <= 1);
            let inner = 4..found.len() - 4;
            let worst = found[inner.clone()].iter().zip(&expected[inner]).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
            assert!(worst < 2e-3, "{speed}: {worst}");
        }
    }

    #[test]
    fn a_tilt_weighs_high_against_low() {
        let power = |frequency: f64, share: f64| {
            let mut samples = wave(frequency, 16_000);
            tilt(&mut samples, share);
            samples.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 8000.0
        };
        // |1 + a e^-iw|^2 = 1 + a^2 + 2 a cos w.
        for (frequency, share) in [(500.0, 0.5), (6000.0, 0.5), (6000.0, -0.4)] {
            let w = std::f64::consts::TAU * frequency / 16_000.0;
            let expected = 1.0 + share * share + 2.0 * share * w.cos();
            assert!((power(frequency, share) - expected).abs() < 1e-3, "{frequency} {share}");
        }
    }

    #[test]
    fn a_variation_is_a_function_of_its_key_and_sounds_like_the_clip() {
        let samples = wave(300.0, 32_000);
        let mut speed_changed = 0;
        for key in 0..64 {
            let found = varied(&samples, &[1, key]);
            assert_eq!(found, varied(&samples, &[1, key]));
            assert_ne!(found, varied(&samples, &[1, key + 1]));
            assert!(found.samples.iter().all(|x| x.is_finite()));
            let share = found.samples.len() as f64 / samples.len() as f64;
            assert!(if found.speed_changed { (0.89..1.14).contains(&share) } else { share == 1.0 }, "{share}");
            speed_changed += usize::from(found.speed_changed);
        }
        assert!((20..44).contains(&speed_changed), "{speed_changed} of 64");
        assert!(varied(&[], &[1]).samples.is_empty());
    }
}
