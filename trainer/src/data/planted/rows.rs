//! Rows of the planted corpus: what is felt, said and heard, as directions among things that mean nothing.

use super::latent::{Latent, Word};
use crate::data::corpus::Modality;
use crate::data::npy::{Extent, Matrix};
use crate::draw::Draw;

/// Numbers in a row of audio, text (real and simulated) and video.
pub(super) const WIDTHS: [usize; 3] = [24, 32, 16];

/// Polarities that words gather around: words of one grade resemble each other, and no direction is polarity itself.
const GRADES: [f64; 7] = [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0];
/// How far from its grade a polarity still shows.
const GRADE_WIDTH: f64 = 0.8;
/// Lengths of what a word's row is made of: grade, speaker's subject, everything else.
const WORD: f64 = 6.0;
const SUBJECT: f64 = 0.8;
const WORD_NOISE: f64 = 1.0;
/// Traits of a speaker's voice that simulated text takes in, and their lengths in audio and in simulated text.
const TRAITS: usize = 6;
const TRAIT: [f64; 2] = [1.5, 2.0];
/// Directions that simulated text varies along from clip to clip for no reason, and its length along each.
const MANNERS: usize = 10;
const MANNER: f64 = 3.0;
/// Share of audio rows in which the voice is raised, and of face rows in which the face moves.
const SHOWING: [f64; 2] = [0.5, 0.5];
/// Lengths of what audio and face rows are made of: what is felt for each unit, the mark of a row that shows it, the
/// speaker's voice or face, the din, everything else.
const SHOWN: [f64; 2] = [1.4, 1.4];
const MARK: f64 = 3.0;
const SPEAKER: [f64; 2] = [1.2, 1.2];
const DIN: f64 = 5.0;
const NOISE: [f64; 2] = [1.2, 1.2];
/// Standard deviation, over clips, of what voice and face show beside what is felt.
const SHOWN_ERROR: [f64; 2] = [2.0, 2.0];

/// Tells the streams of random numbers apart.
const DIRECTIONS: u64 = u64::MAX;
const OWN: u64 = 1 << 62;
/// What is a speaker's own: subject, voice, face, and the traits of the voice that text takes in.
const OWN_SUBJECT: u64 = OWN + 1;
const OWN_FRAMES: [u64; 2] = [OWN + 2, OWN + 3];
const OWN_TRAITS: u64 = OWN + 4;

/// The directions of a corpus.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    seed: u64,
    grades: Vec<Vec<f64>>,
    /// Of audio and face rows.
    shown: [Vec<f64>; 2],
    marks: [Vec<f64>; 2],
    din: Vec<f64>,
    /// Of a voice's traits in audio and in simulated text.
    traits: [Vec<Vec<f64>>; 2],
    manners: Vec<Vec<f64>>,
}

impl Signals {
    /// The directions of the corpus of `seed`.
    pub(super) fn new(seed: u64) -> Self {
        let mut draw = Draw::new(&[seed, DIRECTIONS]);
        let [audio, text, video] = WIDTHS;
        let grades = GRADES.map(|_| draw.direction(text)).into();
        let pair = |draw: &mut Draw| [draw.direction(audio), draw.direction(video)];
        let (shown, marks) = (pair(&mut draw), pair(&mut draw));
        let din = draw.direction(audio);
        let mut several = |count: usize, width| (0..count).map(|_| draw.direction(width)).collect::<Vec<_>>();
        let traits = [several(TRAITS, audio), several(TRAITS, text)];
        let manners = several(MANNERS, text);
        Self { seed, grades, shown, marks, din, traits, manners }
    }

    /// Size of a clip's rows.
    pub(super) fn extent(latent: &Latent, modality: Modality) -> Extent {
        let [audio, text, video] = WIDTHS;
        let (rows, width) = match modality {
            Modality::Audio => (latent.frames[0], audio),
            Modality::Text => (latent.said.len(), text),
            Modality::Simulated => (latent.heard.len(), text),
            Modality::Video => (latent.frames[1], video),
        };
        Extent { rows, width }
    }

    /// A clip's rows.
    pub(super) fn rows(&self, latent: &Latent, modality: Modality) -> Matrix {
        let mut draw = Draw::new(&[latent.key[0], latent.key[1], 1 + modality as u64]);
        let values = match modality {
            Modality::Text => self.words(latent, &latent.said, &mut draw),
            Modality::Simulated => self.simulated(latent, &mut draw),
            Modality::Audio => self.frames(latent, 0, &mut draw),
            Modality::Video => self.frames(latent, 1, &mut draw),
        };
        Matrix { values, extent: Self::extent(latent, modality) }
    }

    /// Rows of words. Real and simulated text come from one language model: equal words have equal grades.
    fn words(&self, latent: &Latent, words: &[Word], draw: &mut Draw) -> Vec<f32> {
        let width = WIDTHS[1];
        let subject = self.of_speaker(latent, OWN_SUBJECT, width, SUBJECT);
        let mut rows = Vec::with_capacity(words.len() * width);
        for word in words {
            let mut row = draw.vector(width, WORD_NOISE);
            add(&mut row, &subject, 1.0);
            if let Some(polarity) = word {
                for (grade, direction) in GRADES.iter().zip(&self.grades) {
                    let apart = (polarity.clamp(-3.0, 3.0) - grade) / GRADE_WIDTH;
                    add(&mut row, direction, WORD * (-0.5 * apart * apart).exp());
                }
            }
            rows.extend(row.into_iter().map(|v| v as f32));
        }
        rows
    }

    /// Rows of simulated text. A language model that hears takes in more than words: traits of the voice, and a manner
    /// that differs from clip to clip.
    fn simulated(&self, latent: &Latent, draw: &mut Draw) -> Vec<f32> {
        let mut rows = self.words(latent, &latent.heard, draw);
        let mut beside = vec![0.0; WIDTHS[1]];
        self.add_traits(&mut beside, latent, 1);
        for direction in &self.manners {
            add(&mut beside, direction, MANNER * draw.normal());
        }
        for row in rows.chunks_mut(WIDTHS[1]) {
            row.iter_mut().zip(&beside).for_each(|(value, part)| *value += *part as f32);
        }
        rows
    }

    /// Adds the traits of the speaker's voice to a row of audio (0) or simulated text (1).
    fn add_traits(&self, row: &mut [f64], latent: &Latent, which: usize) {
        let amounts = self.of_speaker(latent, OWN_TRAITS, TRAITS, TRAIT[which]);
        for (amount, direction) in amounts.iter().zip(&self.traits[which]) {
            add(row, direction, *amount);
        }
    }

    /// Rows of voice (0) or face (1).
    fn frames(&self, latent: &Latent, which: usize, draw: &mut Draw) -> Vec<f32> {
        let width = [WIDTHS[0], WIDTHS[2]][which];
        let shown = latent.felt + SHOWN_ERROR[which] * draw.normal();
        let mut base = self.of_speaker(latent, OWN_FRAMES[which], width, SPEAKER[which]);
        if which == 0 {
            add(&mut base, &self.din, DIN * (latent.din - 0.5));
            self.add_traits(&mut base, latent, 0);
        }
        let mut rows = Vec::with_capacity(latent.frames[which] * width);
        for _ in 0..latent.frames[which] {
            let mut row = draw.vector(width, NOISE[which]);
            add(&mut row, &base, 1.0);
            if draw.chance(SHOWING[which]) {
                add(&mut row, &self.marks[which], MARK);
                add(&mut row, &self.shown[which], SHOWN[which] * shown);
            }
            rows.extend(row.into_iter().map(|v| v as f32));
        }
        rows
    }

    /// What is the speaker's own: the same in all clips.
    fn of_speaker(&self, latent: &Latent, what: u64, width: usize, scale: f64) -> Vec<f64> {
        Draw::new(&[self.seed, what, latent.speaker]).vector(width, scale)
    }
}

fn add(row: &mut [f64], direction: &[f64], scale: f64) {
    for (value, part) in row.iter_mut().zip(direction) {
        *value += scale * part;
    }
}
