//! Words as labels of CTC.

use super::super::corpus::grammar;

/// The grammar's words by label: 0 is blank, words follow in alphabetical order.
#[derive(Clone, Debug)]
pub struct Labels {
    words: Vec<&'static str>,
}

impl Default for Labels {
    fn default() -> Self {
        Self::new()
    }
}

impl Labels {
    /// The labels; always the same.
    pub fn new() -> Self {
        Self { words: grammar::vocabulary() }
    }

    /// Scores of a frame: blank, words, and the valence of the voice, last.
    pub fn choices(&self) -> usize {
        self.words.len() + 2
    }

    /// Labels of a transcript.
    ///
    /// # Errors
    /// The first word that the grammar lacks.
    pub fn of(&self, transcript: &str) -> Result<Vec<u32>, String> {
        let label = |word: &str| match self.words.binary_search(&word) {
            Ok(place) => Ok(place as u32 + 1),
            Err(_) => Err(word.to_owned()),
        };
        transcript.split_whitespace().map(label).collect()
    }
}
