//! Valence is in the sound: pitch, its range and length of speech as an estimator of its own measures them.

use mien_trainer::pocket::corpus::Speaker;
use mien_trainer::pocket::corpus::speech::espeak::Espeak;
use mien_trainer::pocket::corpus::speech::prosody::Prosody;

/// Fundamental frequencies of the voiced frames, Hz: the peak of the normalised autocorrelation between 60 and 500 Hz.
fn pitches(samples: &[f32], rate: f64) -> Vec<f64> {
    let frame = (0.04 * rate) as usize;
    let lags = (rate / 500.0) as usize..=(rate / 60.0) as usize;
    let loudest = samples.iter().fold(0f32, |peak, s| peak.max(s.abs()));
    let mut found = Vec::new();
    for start in (0..samples.len().saturating_sub(frame + lags.end())).step_by(frame / 2) {
        let here = &samples[start..start + frame];
        if here.iter().fold(0f32, |peak, s| peak.max(s.abs())) < 0.2 * loudest {
            continue;
        }
        let likeness = |lag: usize| {
            let there = &samples[start + lag..start + lag + frame];
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            dot(here, there) / (dot(here, here) * dot(there, there)).sqrt().max(1e-12)
        };
        let values: Vec<(usize, f64)> = lags.clone().map(|lag| (lag, likeness(lag))).collect();
        let best = values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        if best > 0.8 {
            // The first peak that is nearly the best one: later ones are multiples of the period.
            let is_peak = |n: &usize| {
                values[*n].1 > 0.9 * best && values[*n].1 >= values[*n - 1].1 && values[*n].1 >= values[*n + 1].1
            };
            if let Some(first) = (1..values.len() - 1).find(is_peak) {
                found.push(rate / values[first].0 as f64);
            }
        }
    }
    found
}

fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

/// Median pitch (Hz), its range (octaves from the first to the ninth tenth) and seconds of a sentence.
fn measured(espeak: &Espeak, speaker: &Speaker, prosody: &Prosody) -> [f64; 3] {
    let text = "the garden was really lovely and we enjoy the summer morning";
    let sound = espeak.say(text, speaker.accent, speaker.variant, prosody).unwrap();
    let found = pitches(sound.samples(), f64::from(sound.rate().hz()));
    assert!(found.len() > 20, "{} voiced frames", found.len());
    [quantile(&found, 0.5), (quantile(&found, 0.9) / quantile(&found, 0.1)).log2(), sound.duration_s()]
}

fn speaker(variant: &'static str, accent: &'static str, pitch: f64, rate: f64) -> Speaker {
    Speaker { name: variant.into(), variant, accent, pitch, rate, level: -23.0 }
}

#[test]
fn a_better_mood_is_higher_livelier_and_faster_in_every_voice() {
    let espeak = Espeak::open().expect("espeak-ng is not installed: run `cargo xtask setup`");
    let speakers = [
        speaker("m3", "en-us", 45.0, 160.0),
        speaker("f2", "en-gb", 55.0, 175.0),
        speaker("Gene", "en-gb-scotland", 60.0, 150.0),
        speaker("steph", "en-us", 40.0, 170.0),
    ];
    let mut usual = Vec::new();
    for speaker in &speakers {
        let [low, middle, high] = [-2.5, 0.0, 2.5].map(|v| Prosody::meant(speaker, v));
        assert!(low.level < middle.level && middle.level < high.level);
        let [low, middle, high] = [low, middle, high].map(|p| measured(&espeak, speaker, &p));
        println!("{}: {low:.2?} {middle:.2?} {high:.2?}", speaker.name);
        // Five units of valence are five and a half semitones.
        assert!((1.2..1.6).contains(&(high[0] / low[0])), "{}: {low:?} and {high:?}", speaker.name);
        assert!(low[0] < middle[0] && middle[0] < high[0], "{}: {low:?} {middle:?} {high:?}", speaker.name);
        assert!(high[1] > 1.5 * low[1], "{}: {low:?} and {high:?}", speaker.name);
        assert!(low[2] > 1.15 * high[2], "{}: {low:?} and {high:?}", speaker.name);
        usual.push((low[0], high[0]));
    }
    // It has to be heard against the speaker: one's best mood is lower than another's worst.
    assert!(usual.iter().any(|(_, high)| usual.iter().any(|(low, _)| high < low)), "{usual:?}");
}

#[test]
fn the_voice_says_the_same_bytes_each_time() {
    let espeak = Espeak::open().unwrap();
    let speaker = speaker("f2", "en-gb", 55.0, 175.0);
    let prosody = Prosody::new(&speaker, 1.0, &[1, 2, 3]);
    let say = |text: &str| espeak.say(text, speaker.accent, speaker.variant, &prosody);
    assert_eq!(say("we love this song").unwrap(), say("we love this song").unwrap());
    assert_ne!(say("we love this song").unwrap(), say("we love this book").unwrap());
    // The text becomes part of a marked-up one: nothing of it may be taken for a mark.
    let refused = say("we <break time='9s'/> love").unwrap_err().to_string();
    assert!(refused.contains("'<'"), "{refused}");
    assert!(!espeak.version().is_empty());
}
