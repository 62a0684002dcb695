//! The grammar against a reader of its own: words in, valence out, by the rules as they are written down.

use std::collections::BTreeSet;

use mien_trainer::pocket::corpus::grammar::words::{CLOSINGS, DEGREES, OPENINGS, QUALITIES, VERBS, Valued};
use mien_trainer::pocket::corpus::grammar::{Sentence, vocabulary};

use super::material::{number, rows, shared};

fn value(table: &[Valued], word: &str) -> Option<f64> {
    table.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
}

/// The valence of a sentence, read from its words alone.
pub(crate) fn read(text: &str) -> f64 {
    let mut words: Vec<&str> = text.split(' ').collect();
    let mut added = 0.0;
    if let Some(opening) = value(OPENINGS, words[0]) {
        added = opening;
        words.remove(0);
    }
    if CLOSINGS.contains(words.last().unwrap()) {
        words.pop();
    }
    let joint = words.iter().position(|word| ["and", "but"].contains(word));
    let sum = match joint {
        None => clause(&words),
        Some(at) if words[at] == "and" => 0.5 * (clause(&words[..at]) + clause(&words[at + 1..])),
        Some(at) => 0.3 * clause(&words[..at]) + 0.7 * clause(&words[at + 1..]),
    };
    (sum + added).clamp(-3.0, 3.0)
}

/// The product of everything that has a number: one quality or verb, degrees, denials.
fn clause(words: &[&str]) -> f64 {
    let valued: Vec<f64> = words.iter().filter_map(|word| value(QUALITIES, word).or(value(VERBS, word))).collect();
    assert_eq!(valued.len(), 1, "{words:?}");
    let factor = |word: &&str| match *word {
        "not" => -0.6,
        "never" => -0.8,
        word => value(DEGREES, word).unwrap_or(1.0),
    };
    words.iter().map(factor).product::<f64>() * valued[0]
}

#[test]
fn the_reader_knows_the_rules() {
    for (text, valence) in [
        ("the garden was lovely", 2.2),
        ("the garden was not very lovely", -0.6 * 1.3 * 2.2),
        ("this room is never rude", 0.8 * 1.9),
        ("sadly we do not really enjoy this song today", -0.8 - 0.6 * 1.2 * 2.0),
        ("they had a rather dull morning", -0.7 * 0.9),
        ("the film is good but i hate the book", 0.3 * 1.5 - 0.7 * 2.6),
        ("the film is good and i hate the book", 0.5 * (1.5 - 2.6)),
        ("you never had an extremely awful plan", 3.0),
    ] {
        assert!((read(text) - valence).abs() < 1e-12, "{text}: {} and {valence}", read(text));
    }
}

#[test]
fn every_sentence_reads_back_to_its_valence() {
    let known: BTreeSet<&str> = vocabulary().into_iter().collect();
    assert!((130..=170).contains(&known.len()), "{} words", known.len());
    let (mut used, mut apart, mut texts) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    for n in 0..3000 {
        let wanted = -3.0 + 6.0 * f64::from(n) / 2999.0;
        let sentence = Sentence::near(wanted, &[9, n as u64]);
        let text = sentence.text();
        assert!((sentence.valence() - read(&text)).abs() < 1e-12, "{text}: {}", sentence.valence());
        assert!((-3.0..=3.0).contains(&sentence.valence()));
        assert!((4..=15).contains(&sentence.words().len()), "{text}");
        assert!(sentence.words().iter().all(|word| known.contains(word)), "{text}");
        used.extend(sentence.words());
        apart.push((sentence.valence() - wanted).abs());
        texts.insert(text);
    }
    // Every word is said, hardly a sentence comes twice, and wanted valences are had.
    assert_eq!(known.difference(&used).collect::<Vec<_>>(), Vec::<&&str>::new());
    assert!(texts.len() > 2900, "{} different sentences", texts.len());
    let mean = apart.iter().sum::<f64>() / apart.len() as f64;
    assert!(mean < 0.15, "sentences are {mean} from what was wanted");
}

#[test]
fn transcripts_of_a_corpus_have_the_valences_of_its_table() {
    for row in rows(&shared().path("corpus/hidden.csv")) {
        assert!((read(&row["transcript"]) - number(&row, "text")).abs() < 1e-12, "{row:?}");
    }
}
