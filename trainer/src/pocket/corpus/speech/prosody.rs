//! What a valence does to a voice: pitch, range, rate and loudness, each with an error of its own.

use super::super::cast::Speaker;
use crate::draw::Draw;

/// Steps of espeak-ng's pitch scale in a semitone: 50 steps are an octave.
const STEPS_OF_A_SEMITONE: f64 = 50.0 / 12.0;
/// For each unit of valence: semitones, steps of the range, share of the rate, dB.
const SLOPES: [f64; 4] = [1.1, 12.0, 0.055, 1.3];
/// Standard deviations of the errors of the same four.
const ERRORS: [f64; 4] = [0.9, 7.0, 0.05, 1.2];
/// The range of pitch that a voice has at valence 0 on espeak-ng's scale: 0 a monotone, 50 usual, 100 twice that.
const USUAL_RANGE: f64 = 50.0;

/// How a clip is spoken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prosody {
    /// Pitch on espeak-ng's scale, 0 to 99.
    pub pitch: u8,
    /// Range of pitch on espeak-ng's scale, 0 to 99.
    pub range: u8,
    /// Words a minute.
    pub rate: u16,
    /// Level of speech, dB of full scale.
    pub level: f64,
}

impl Prosody {
    /// How `speaker` speaks with `valence`, -3 to 3, another way for each `key`.
    pub fn new(speaker: &Speaker, valence: f64, key: &[u64]) -> Self {
        let mut draw = Draw::new(key);
        let errors = ERRORS.map(|deviation| deviation * draw.normal());
        Self::with_errors(speaker, valence, errors)
    }

    /// The same without errors: what `valence` means in this voice.
    pub fn meant(speaker: &Speaker, valence: f64) -> Self {
        Self::with_errors(speaker, valence, [0.0; 4])
    }

    fn with_errors(speaker: &Speaker, valence: f64, errors: [f64; 4]) -> Self {
        let [semitones, range, faster, louder] = std::array::from_fn(|i| SLOPES[i] * valence + errors[i]);
        let whole = |value: f64, least: f64, most: f64| value.round().clamp(least, most);
        Self {
            pitch: whole(speaker.pitch + STEPS_OF_A_SEMITONE * semitones, 2.0, 97.0) as u8,
            range: whole(USUAL_RANGE + range, 2.0, 97.0) as u8,
            rate: whole(speaker.rate * (1.0 + faster), 120.0, 260.0) as u16,
            level: (speaker.level + louder).clamp(-36.0, -14.0),
        }
    }
}
