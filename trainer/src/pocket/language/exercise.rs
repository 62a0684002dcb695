//! What the llama learns from: sentences to read, to judge, and to repeat.

use std::collections::HashSet;

use mien_models::llama::SpmVocabulary;

use super::super::clips::Clips;
use super::super::corpus::grammar::{Sentence, words::QUALITIES};
use super::{LanguageSettings, Vocabulary};
use crate::data::Split;
use crate::draw::Draw;
use crate::{Result, TrainerError};

/// Tells these draws from a corpus'.
const EXERCISE: u64 = 101;
const SOUND: u64 = 102;
/// Shares of sentences that are read, and that are judged; the others are repeated.
const READ: f64 = 0.1;
const JUDGED: f64 = 0.3;
/// Rows of silence at both ends, at most, and the probability that silence goes on between two words.
const ENDS: usize = 5;
const PAUSE: f64 = 0.55;
/// Most rows of a word; a row is a tenth of a second.
const LASTS: usize = 3;
/// Probabilities that a word is not heard, or that another one is.
const MISSED: f64 = 0.03;
const MISHEARD: f64 = 0.02;
/// Stands for silence: `<unk>`.
pub(super) const SILENCE: u32 = 0;
/// Sentences that are drawn until one is not held out.
const TRIED: u64 = 64;

/// Tokens, and from where on they are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exercise {
    /// Tokens in order.
    pub tokens: Vec<u32>,
    /// Place of the first token that is to be predicted, at least 1.
    pub asked_from: usize,
}

/// Exercises without end.
#[derive(Clone, Debug)]
pub struct Exercises {
    vocabulary: Vocabulary,
    words: Vec<u32>,
    /// Words that judge, each with its valence.
    verdicts: Vec<(u32, f64)>,
    held_out: HashSet<String>,
    seed: u64,
}

impl Exercises {
    /// Exercises that hold out what is said in the valid and test splits of `clips`.
    ///
    /// # Errors
    /// Pocket for a corpus whose words are not the grammar's.
    pub fn new(vocabulary: &Vocabulary, clips: &Clips, settings: &LanguageSettings) -> Result<Self> {
        let held_out = [Split::Valid, Split::Test].into_iter().flat_map(|split| clips.of(split));
        let held_out: HashSet<String> = held_out.map(|clip| clip.transcript.clone()).collect();
        if let Some(word) = held_out.iter().flat_map(|text| text.split(' ')).find(|w| vocabulary.word(w).is_none()) {
            let reason = format!("{word:?} is no word of the grammar; make the corpus anew with this program");
            return Err(TrainerError::Pocket { path: super::super::corpus::LIST.into(), reason });
        }
        let words = super::super::corpus::grammar::vocabulary();
        let words = words.into_iter().filter_map(|word| vocabulary.word(word)).collect();
        let verdict = |(word, valence): &(&str, f64)| Some((vocabulary.word(word)?, *valence));
        let mut verdicts: Vec<(u32, f64)> = QUALITIES.iter().filter_map(verdict).collect();
        // Of words that mean the same one is enough.
        verdicts.sort_by(|a, b| a.1.total_cmp(&b.1));
        verdicts.dedup_by_key(|(_, valence)| *valence);
        Ok(Self { vocabulary: vocabulary.clone(), words, verdicts, held_out, seed: settings.pace.seed })
    }

    /// The vocabulary.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The exercises of `step`.
    pub fn batch(&self, step: u64, count: usize) -> Vec<Exercise> {
        (0..count as u64).map(|i| self.exercise(step, i)).collect()
    }

    fn exercise(&self, step: u64, i: u64) -> Exercise {
        let sentence = self.sentence(step, i);
        let mut draw = Draw::new(&[self.seed, SOUND, step, i]);
        match draw.unit() {
            p if p < READ => self.read(&sentence.text()),
            p if p < READ + JUDGED => self.judge(&sentence),
            _ => self.repeat(&sentence, &mut draw),
        }
    }

    /// A sentence that is not held out, another one for each step and number.
    pub fn sentence(&self, step: u64, i: u64) -> Sentence {
        let drawn = |tried: u64| {
            let key = [self.seed, EXERCISE, step, i, tried];
            Sentence::near(6.0 * Draw::new(&key).unit() - 3.0, &key)
        };
        (0..TRIED).map(drawn).find(|said| !self.held_out.contains(&said.text())).unwrap_or_else(|| drawn(0))
    }

    /// Words that judge, each with its valence, from the worst to the best.
    pub fn verdicts(&self) -> &[(u32, f64)] {
        &self.verdicts
    }

    /// The word whose valence is nearest to `valence`.
    fn verdict(&self, valence: f64) -> u32 {
        let nearest = self.verdicts.iter().min_by(|a, b| (a.1 - valence).abs().total_cmp(&(b.1 - valence).abs()));
        nearest.map_or(SILENCE, |(word, _)| *word)
    }

    /// Begin-of-text, the sentence, end-of-text.
    pub fn read(&self, sentence: &str) -> Exercise {
        let mut tokens = vec![SpmVocabulary::BOS as u32];
        tokens.extend(self.vocabulary.sentence(sentence));
        tokens.push(SpmVocabulary::EOS as u32);
        Exercise { tokens, asked_from: 1 }
    }

    /// Begin-of-text, the sentence, the quality that means what it says, end-of-text; the quality alone is asked for.
    fn judge(&self, sentence: &Sentence) -> Exercise {
        let Exercise { mut tokens, .. } = self.read(&sentence.text());
        let asked_from = tokens.len() - 1;
        tokens.insert(asked_from, self.verdict(sentence.valence()));
        Exercise { tokens, asked_from }
    }

    /// The sentence as it is heard, the prompt, the sentence, end-of-text, and then the quality that means what it says:
    /// nothing is generated past the end, but what is written has to be understood.
    fn repeat(&self, sentence: &Sentence, draw: &mut Draw) -> Exercise {
        let words = self.vocabulary.sentence(&sentence.text());
        let mut tokens = self.heard(&words, draw);
        tokens.extend(self.vocabulary.prompt());
        let asked_from = tokens.len();
        tokens.extend(words);
        tokens.push(SpmVocabulary::EOS as u32);
        tokens.push(self.verdict(sentence.valence()));
        Exercise { tokens, asked_from }
    }

    /// Rows of `words` as a projector might give them, as tokens.
    pub(super) fn heard(&self, words: &[u32], draw: &mut Draw) -> Vec<u32> {
        let mut rows = vec![SILENCE; draw.between(0, ENDS)];
        for &word in words {
            let heard = match draw.unit() {
                p if p < MISSED => SILENCE,
                p if p < MISSED + MISHEARD => {
                    self.words.get(draw.between(0, self.words.len().saturating_sub(1))).copied().unwrap_or(word)
                }
                _ => word,
            };
            rows.extend(std::iter::repeat_n(heard, draw.between(1, LASTS)));
            while draw.chance(PAUSE) {
                rows.push(SILENCE);
            }
        }
        rows.extend(std::iter::repeat_n(SILENCE, draw.between(1, ENDS)));
        rows
    }
}
