//! What is said in the pocket world: sentences of about 150 words whose valence is composed by rules.
//!
//! 1. A quality has a value ("lovely" 2.2); a word of degree before it scales it ("very" 1.3).
//! 2. A verb has a value ("enjoy" 2.0); "really" before it scales it.
//! 3. "not" and "never" turn the value of their clause around and weaken it: [`words::NOT`], [`words::NEVER`].
//! 4. "and" gives the mean of both clauses; after "but" the second clause counts more: [`words::BUT`].
//! 5. An opening word adds its own value ("sadly" -0.8).
//! 6. The sum is held in [-3, 3].

mod sentence;
pub mod words;

pub use sentence::Sentence;

/// Every word that a sentence can have, each once, in alphabetical order.
pub fn vocabulary() -> Vec<&'static str> {
    let valued = [words::QUALITIES, words::VERBS, words::DEGREES, words::OPENINGS];
    let plain = [words::THINGS, words::OWNERS, words::PEOPLE, words::BEING, words::CLOSINGS, words::OTHERS];
    let mut all: Vec<&str> = valued.iter().flat_map(|kind| kind.iter().map(|(word, _)| *word)).collect();
    all.extend(plain.iter().flat_map(|kind| kind.iter().copied()));
    all.sort_unstable();
    all.dedup();
    all
}
