//! Who is in which split: voices and faces of a split are in no other one.

use std::ops::Range;

use super::speech::voices::{ACCENTS, MEN, WOMEN};
use crate::data::Split;
use crate::draw::Draw;

/// Women and men among the voices of train, valid and test.
const VOICES: [[usize; 2]; 3] = [[10, 24], [2, 4], [3, 5]];
/// Faces of train, valid and test.
const FACES: [usize; 3] = [120, 20, 30];
/// Clips that one voice and one face make together, one after the other.
const CLIPS_OF_A_SITTING: usize = 5;
/// Tell the streams of random numbers apart.
const VOICE: u64 = 1;
const SITTING: u64 = 2;

/// Middle and half width of a speaker's usual pitch (espeak-ng's scale), rate (words a minute) and level (dB).
const PITCH: [f64; 2] = [50.0, 12.0];
const RATE: [f64; 2] = [168.0, 18.0];
const LEVEL: [f64; 2] = [-23.0, 3.0];

/// A voice, with the ways that a valence has to be heard against.
#[derive(Clone, Debug, PartialEq)]
pub struct Speaker {
    /// Name, unique in the corpus.
    pub name: String,
    /// espeak-ng's variant: timbre.
    pub variant: &'static str,
    /// espeak-ng's voice: accent.
    pub accent: &'static str,
    /// Usual pitch on espeak-ng's scale, 0 to 99, 50 the variant's own.
    pub pitch: f64,
    /// Usual rate, words a minute.
    pub rate: f64,
    /// Usual level of speech, dB of full scale.
    pub level: f64,
}

/// Who speaks in a clip.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Role {
    pub(super) speaker: Speaker,
    /// Number of the face.
    pub(super) face: u64,
    /// Number of the sitting in its split, and of the clip in the sitting.
    pub(super) sitting: [usize; 2],
}

impl Role {
    /// Name of the face, unique in the corpus.
    pub(super) fn identity(&self) -> String {
        format!("face{:03}", self.face)
    }
}

/// The role of clip number `n` of `split`.
pub(super) fn role(seed: u64, split: Split, n: usize) -> Role {
    let (sitting, clip) = (n / CLIPS_OF_A_SITTING, n % CLIPS_OF_A_SITTING);
    let mut draw = Draw::new(&[seed, SITTING, split as u64, sitting as u64]);
    let at = split as usize;
    let before = |sizes: [usize; 3]| sizes[..at].iter().sum::<usize>();
    let first = before(FACES);
    let face = draw.between(first, first + FACES[at] - 1) as u64;
    let [women, men] = VOICES[at];
    let number = draw.between(0, women + men - 1);
    let of_kind = |kind: usize| before(VOICES.map(|voices| voices[kind]));
    let variant = match number.checked_sub(women) {
        None => WOMEN[of_kind(0) + number],
        Some(man) => MEN[of_kind(1) + man],
    };
    Role {
        speaker: speaker(seed, VOICES[..at].iter().flatten().sum::<usize>() + number, variant),
        face,
        sitting: [sitting, clip],
    }
}

/// Numbers of a split's faces.
pub fn faces(split: Split) -> Range<u64> {
    let at = split as usize;
    let first = FACES[..at].iter().sum::<usize>() as u64;
    first..first + FACES[at] as u64
}

fn speaker(seed: u64, number: usize, variant: &'static str) -> Speaker {
    let mut draw = Draw::new(&[seed, VOICE, number as u64]);
    let mut around = |[middle, half]: [f64; 2]| middle + half * (2.0 * draw.unit() - 1.0);
    let [pitch, rate, level] = [around(PITCH), around(RATE), around(LEVEL)];
    let accent = ACCENTS[draw.between(0, ACCENTS.len() - 1)];
    Speaker { name: format!("voice{number:02}"), variant, accent, pitch, rate, level }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_voice_has_its_place_and_no_variant_comes_twice() {
        let [women, men] = [0, 1].map(|kind| VOICES.iter().map(|voices| voices[kind]).sum::<usize>());
        assert_eq!([women, men], [WOMEN.len(), MEN.len()]);
        let mut variants: Vec<&str> = WOMEN.iter().chain(MEN).copied().collect();
        variants.sort_unstable();
        variants.dedup();
        assert_eq!(variants.len(), women + men);
    }
}
