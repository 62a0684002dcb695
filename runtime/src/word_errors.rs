//! Word errors: how far what was recognised is from what was said.

/// Word errors of a set of sentences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorRate {
    /// Words put in, left out or exchanged: the fewest that lead from one sentence to the other.
    pub errors: usize,
    /// Words that were said.
    pub words: usize,
    /// Sentences without an error.
    pub whole: usize,
    /// Sentences.
    pub sentences: usize,
}

impl ErrorRate {
    /// Takes one sentence in.
    pub fn add<T: PartialEq>(&mut self, said: &[T], found: &[T]) {
        let errors = distance(said, found);
        self.errors += errors;
        self.words += said.len();
        self.whole += usize::from(errors == 0);
        self.sentences += 1;
    }

    /// Takes one sentence in, as texts whose words have space between them.
    pub fn add_texts(&mut self, said: &str, found: &str) {
        let [said, found] = [said, found].map(|text| text.split_whitespace().collect::<Vec<_>>());
        self.add(&said, &found);
    }

    /// Takes other sentences in.
    pub fn join(&mut self, other: Self) {
        let Self { errors, words, whole, sentences } = other;
        self.errors += errors;
        self.words += words;
        self.whole += whole;
        self.sentences += sentences;
    }

    /// Errors for each word that was said; 0 where nothing was.
    pub fn rate(&self) -> f64 {
        self.errors as f64 / self.words.max(1) as f64
    }

    /// Share of the sentences without an error.
    pub fn whole_share(&self) -> f64 {
        self.whole as f64 / self.sentences.max(1) as f64
    }
}

/// The fewest insertions, deletions and exchanges that lead from `a` to `b`.
fn distance<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, above) in b.iter().zip(row.iter_mut().skip(1)) {
            let best = (diagonal + usize::from(x != y)).min(*above + 1).min(left + 1);
            diagonal = std::mem::replace(above, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the recursion that defines it.
    fn by_definition(a: &[u8], b: &[u8]) -> usize {
        match (a, b) {
            ([], rest) | (rest, []) => rest.len(),
            ([x, a_rest @ ..], [y, b_rest @ ..]) => {
                let exchanged = by_definition(a_rest, b_rest) + usize::from(x != y);
                exchanged.min(by_definition(a_rest, b) + 1).min(by_definition(a, b_rest) + 1)
            }
        }
    }

    #[test]
    fn distances_are_those_of_the_definition() {
        for a in 0..81u32 {
            for b in 0..81u32 {
                // Up to four letters of two kinds.
                let word =
                    |n: u32| (0..4).filter_map(|i| (n / 3u32.pow(i) % 3).checked_sub(1)).map(|l| l as u8).collect();
                let (a, b): (Vec<u8>, Vec<u8>) = (word(a), word(b));
                assert_eq!(distance(&a, &b), by_definition(&a, &b), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn rates_count_words_and_whole_sentences() {
        let mut rate = ErrorRate::default();
        rate.add(&["the", "garden", "is", "lovely"], &["the", "garden", "lovely"]);
        rate.add(&["we", "agree"], &["we", "agree"]);
        assert_eq!((rate.errors, rate.words, rate.whole, rate.sentences), (1, 6, 1, 2));
        assert!((rate.rate() - 1.0 / 6.0).abs() < 1e-12 && rate.whole_share() == 0.5);
    }
}
