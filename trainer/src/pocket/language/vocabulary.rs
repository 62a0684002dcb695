//! The pocket world's tokens: a word is one token.
//!
//! A SentencePiece vocabulary reaches a piece over shorter ones alone. So every beginning of every word is a piece too,
//! with the mark of a space in front, and nothing else is but single characters: neighbours merge in one way only, from a
//! word's beginning on, and no order of scores matters.

use std::collections::{BTreeSet, HashMap};

use mien_models::llama::{SHORT_PROMPT, SpmVocabulary};

use super::super::corpus::grammar;
use crate::Result;

/// What the language model is asked after it has heard: the shorter of the two published prompts. It is 12 tokens here,
/// the longer one would be five times as many, each of which costs as much as a word.
pub const PROMPT: &str = SHORT_PROMPT;
/// Stands for a space.
const SPACE: char = '▁';
/// Words of the prompt.
const PROMPT_WORDS: [&str; 6] = ["USER", "Transcribe", "speech", "to", "text", "ASSISTANT"];
/// Marks that are tokens.
const MARKS: &str = "'.,!?-:";
/// Id of the first of the 256 byte tokens.
const BYTES: u32 = 3;

/// Tokens of words and texts.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    spm: SpmVocabulary,
    ids: HashMap<String, u32>,
}

impl Vocabulary {
    /// The vocabulary; always the same.
    ///
    /// # Errors
    /// Model for pieces that no vocabulary can have.
    pub fn new() -> Result<Self> {
        let single = std::iter::once(SPACE).chain('a'..='z').chain(MARKS.chars()).map(String::from);
        let mut begun = BTreeSet::new();
        for word in grammar::vocabulary().into_iter().chain(PROMPT_WORDS) {
            let mut piece = String::from(SPACE);
            for letter in word.chars() {
                piece.push(letter);
                // Shorter ones first, as their scores want it.
                begun.insert((piece.chars().count(), piece.clone()));
            }
        }
        let spm = SpmVocabulary::from_pieces(single.chain(begun.into_iter().map(|(_, piece)| piece)))?;
        let pieces = (0..).zip(spm.tokens()).skip(SpmVocabulary::RESERVED);
        let ids = pieces.map(|(id, piece)| (piece.clone(), id)).collect();
        Ok(Self { spm, ids })
    }

    /// The vocabulary as a GGUF file holds it.
    pub fn spm(&self) -> &SpmVocabulary {
        &self.spm
    }

    /// The token of a word of the grammar.
    pub fn word(&self, word: &str) -> Option<u32> {
        self.ids.get(&format!("{SPACE}{word}")).copied()
    }

    /// Tokens of `text` as the device's tokenizer gives them, without begin-of-text.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        if text.is_empty() {
            return tokens;
        }
        let text: Vec<char> =
            std::iter::once(SPACE).chain(text.chars().map(|c| if c == ' ' { SPACE } else { c })).collect();
        let mut at = 0;
        while let Some(&first) = text.get(at) {
            at += 1;
            let mut piece = String::from(first);
            if first == SPACE {
                while let Some(&next) = text.get(at) {
                    piece.push(next);
                    if !self.ids.contains_key(&piece) {
                        piece.pop();
                        break;
                    }
                    at += 1;
                }
            }
            match self.ids.get(&piece) {
                Some(&id) => tokens.push(id),
                None => tokens.extend(piece.bytes().map(|byte| BYTES + u32::from(byte))),
            }
        }
        tokens
    }

    /// The prompt's tokens, begin-of-text first.
    pub fn prompt(&self) -> Vec<u32> {
        std::iter::once(SpmVocabulary::BOS as u32).chain(self.encode(PROMPT)).collect()
    }

    /// The token of each word of a sentence; tokens of parts for words that are none of the grammar's.
    pub fn sentence(&self, text: &str) -> Vec<u32> {
        self.encode(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_one_token_and_no_two_share_it() {
        let vocabulary = Vocabulary::new().unwrap();
        let words = grammar::vocabulary();
        let tokens: BTreeSet<u32> = words.iter().map(|word| vocabulary.word(word).unwrap()).collect();
        assert_eq!(tokens.len(), words.len());
        for word in words {
            assert_eq!(vocabulary.encode(word), [vocabulary.word(word).unwrap()], "{word}");
        }
        assert_eq!(vocabulary.prompt().len(), 12);
    }

    #[test]
    fn what_is_no_piece_becomes_letters_and_bytes() {
        let vocabulary = Vocabulary::new().unwrap();
        let piece = |text: &str| vocabulary.ids[text];
        assert!(vocabulary.encode("").is_empty());
        assert_eq!(vocabulary.encode("the robots."), [piece("▁the"), piece("▁robot"), piece("s"), piece(".")]);
        assert_eq!(vocabulary.encode("é\n"), [piece("▁"), 3 + 0xc3, 3 + 0xa9, 3 + 0x0a]);
    }
}
