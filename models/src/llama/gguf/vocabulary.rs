//! SentencePiece vocabularies for llama models made here.

use std::collections::HashSet;

use super::tokenizer::{byte_token, kind};
use crate::{ModelError, Result};

/// A SentencePiece vocabulary: `<unk> <s> </s>`, 256 byte tokens, then pieces; `▁` (U+2581) stands for a space.
///
/// A text is cut into characters, and neighbours are merged into pieces, the highest score first; a piece of more than
/// two characters is therefore only reached over shorter pieces.
#[derive(Clone, Debug, PartialEq)]
pub struct SpmVocabulary {
    pub(super) tokens: Vec<String>,
    pub(super) scores: Vec<f32>,
    pub(super) kinds: Vec<i32>,
}

impl SpmVocabulary {
    /// Tokens in front of the pieces: 3 special ones and 256 bytes.
    pub const RESERVED: usize = 259;
    /// Beginning-of-text token, `<s>`.
    pub const BOS: i32 = 1;
    /// End-of-text token, `</s>`.
    pub const EOS: i32 = 2;

    /// A vocabulary of `pieces` in falling score (0, -1, -2, ...).
    ///
    /// # Errors
    /// Config for a piece that is empty, longer than 256 bytes, holds NUL, a space or a line break, or appears twice.
    pub fn from_pieces<S: AsRef<str>>(pieces: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(String::from).into();
        let mut kinds = vec![kind::UNKNOWN, kind::CONTROL, kind::CONTROL];
        tokens.extend((0..=255).map(byte_token));
        kinds.resize(Self::RESERVED, kind::BYTE);
        let mut scores = vec![0.0; Self::RESERVED];
        let mut seen: HashSet<String> = tokens.iter().cloned().collect();
        for (i, piece) in pieces.into_iter().enumerate() {
            let piece = piece.as_ref();
            if piece.is_empty() || piece.len() > 256 || piece.contains(['\0', ' ', '\n', '\r']) {
                return Err(Self::refused(format!("piece {i} is {piece:?}, expected 1 to 256 bytes without spaces")));
            }
            if !seen.insert(piece.to_owned()) {
                return Err(Self::refused(format!("piece {i}, {piece:?}, is there already; give each piece once")));
            }
            tokens.push(piece.to_owned());
            kinds.push(kind::NORMAL);
            scores.push(-(i as f32));
        }
        Ok(Self { tokens, scores, kinds })
    }

    /// A vocabulary of `size` tokens that is always the same: letters, digits, marks, then syllables with and without
    /// a space in front.
    ///
    /// # Errors
    /// Config for a size below 259 or above 2^20.
    pub fn tiny(size: usize) -> Result<Self> {
        if !(Self::RESERVED..=1 << 20).contains(&size) {
            return Err(Self::refused(format!("size {size}, expected {} to {}", Self::RESERVED, 1 << 20)));
        }
        Self::from_pieces(characters().chain(syllables()).take(size - Self::RESERVED))
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Never true: the reserved tokens are always there.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// All tokens by id.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    fn refused(reason: String) -> ModelError {
        ModelError::Config { what: "SentencePiece vocabulary".into(), reason }
    }
}

fn characters() -> impl Iterator<Item = String> {
    let marks = "'.,!?-:;".chars();
    std::iter::once('▁').chain('a'..='z').chain('A'..='Z').chain('0'..='9').chain(marks).map(String::from)
}

/// Words of one syllable, then of two, and so on; each plain and with a space in front. Every merge that leads to them
/// is there too: consonant + vowel, space + syllable, syllable + syllable.
fn syllables() -> impl Iterator<Item = String> {
    (1u32..).flat_map(|length| (0..SYLLABLES.pow(length)).map(move |n| word(n, length))).flat_map(|w| {
        let spaced = format!("▁{w}");
        [w, spaced]
    })
}

const CONSONANTS: [&str; 20] =
    ["b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "q", "r", "s", "t", "v", "w", "x", "z"];
const VOWELS: [&str; 6] = ["a", "e", "i", "o", "u", "y"];
const SYLLABLES: usize = CONSONANTS.len() * VOWELS.len();

fn word(mut n: usize, length: u32) -> String {
    (0..length)
        .map(|_| {
            let syllable = n % SYLLABLES;
            n /= SYLLABLES;
            let consonant = CONSONANTS.get(syllable / VOWELS.len()).copied().unwrap_or("b");
            let vowel = VOWELS.get(syllable % VOWELS.len()).copied().unwrap_or("a");
            [consonant, vowel].concat()
        })
        .collect()
}
