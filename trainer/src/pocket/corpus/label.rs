//! What is felt, what of it shows in words, voice and face, and the label.

use serde::{Deserialize, Serialize};

use super::grammar::Sentence;
use crate::draw::Draw;

/// Mean and standard deviation of the mood that words, voice and face usually share: somewhat positive, as in MOSEI.
const MOOD: (f64, f64) = (0.2, 1.35);
/// Standard deviation of each of them around the mood.
const APART: f64 = 0.8;
/// Standard deviation of the label's own error.
const ERROR: f64 = 0.2;
/// Share of clips that are drawn so that voice and face contradict the words.
pub const CONTRADICTING: f64 = 0.15;
/// From this magnitude on a valence counts as a statement that can contradict another one.
pub const STATED: f64 = 1.0;
/// Weights of words, voice and face where they do not contradict each other.
pub const WEIGHTS: [f64; 3] = [0.5, 0.25, 0.25];
/// Weights where voice and face both contradict the words, as in sarcasm: how it is said counts, not what.
pub const CONTRADICTED: [f64; 3] = [0.1, 0.45, 0.45];

/// Hidden valences of a clip, each in [-3, 3], and the label's error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Valences {
    /// Of the words, by the grammar.
    pub text: f64,
    /// Of the voice.
    pub prosody: f64,
    /// Of the face.
    pub face: f64,
    /// What is added to the label.
    pub error: f64,
}

impl Valences {
    /// Valences that `draw` gives, and the sentence that has the first of them.
    pub(super) fn new(draw: &mut Draw, key: &[u64]) -> (Self, Sentence) {
        let (wanted, prosody, face) = if draw.chance(CONTRADICTING) {
            let sign = if draw.chance(0.5) { 1.0 } else { -1.0 };
            let mut strength = |least: f64| least + (2.8 - least) * draw.unit();
            (sign * strength(STATED + 0.3), -sign * strength(STATED), -sign * strength(STATED))
        } else {
            let mood = MOOD.0 + MOOD.1 * draw.normal();
            let mut shown = || mood + APART * draw.normal();
            (shown(), shown(), shown())
        };
        let sentence = Sentence::near(wanted.clamp(-3.0, 3.0), key);
        let error = ERROR * draw.normal();
        let [prosody, face] = [prosody, face].map(|valence| valence.clamp(-3.0, 3.0));
        (Self { text: sentence.valence(), prosody, face, error }, sentence)
    }

    /// Whether voice and face both contradict the words: other signs, and every magnitude at least [`STATED`].
    pub fn contradict(&self) -> bool {
        let opposite = |other: f64| self.text * other < 0.0;
        let stated = [self.text, self.prosody, self.face].iter().all(|valence| valence.abs() >= STATED);
        stated && opposite(self.prosody) && opposite(self.face)
    }

    /// The label: the weighted sum of the three and the error, held in [-3, 3]. The weights are [`CONTRADICTED`] where
    /// voice and face contradict the words, else [`WEIGHTS`].
    pub fn label(&self) -> f64 {
        let [text, prosody, face] = if self.contradict() { CONTRADICTED } else { WEIGHTS };
        (text * self.text + prosody * self.prosody + face * self.face + self.error).clamp(-3.0, 3.0)
    }
}
