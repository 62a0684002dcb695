//! Sentences: drawn, put into words, and valued.

use super::words::{BEING, BUT, CLOSINGS, DEGREES, NEVER, NOT, OPENINGS, OWNERS, PEOPLE, QUALITIES, THINGS, VERBS};
use crate::draw::Draw;

/// Sentences of which the one nearest to a wanted valence is taken.
const TRIED: usize = 48;
/// Probabilities: a second clause, an opening where there is no second clause, a closing likewise; negation, degree.
const SECOND: f64 = 0.35;
const OPENING: f64 = 0.3;
const CLOSING: f64 = 0.4;
const NEGATION: f64 = 0.3;
const DEGREE: f64 = 0.45;
/// The degree that a verb can have, by its place in [`DEGREES`].
const REALLY: usize = 2;

/// A denial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Denial {
    Not,
    Never,
}

/// A statement with a value of its own. Numbers are places in the tables of words.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Clause {
    /// "the garden was not very lovely"
    Being { owner: usize, thing: usize, being: usize, denial: Option<Denial>, degree: Option<usize>, quality: usize },
    /// "we do not really enjoy this song"
    Doing { person: usize, denial: Option<Denial>, really: bool, verb: usize, owner: usize, thing: usize },
    /// "they had a rather dull morning"
    Having { person: usize, never: bool, degree: Option<usize>, quality: usize, thing: usize },
}

/// A sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentence {
    opening: Option<usize>,
    first: Clause,
    /// The second clause, and whether "but" stands before it and not "and".
    second: Option<(bool, Clause)>,
    closing: Option<usize>,
}

impl Sentence {
    /// A sentence whose valence is near `wanted`, another one for each `key`.
    pub fn near(wanted: f64, key: &[u64]) -> Self {
        let mut draw = Draw::new(key);
        let mut best = Self::any(&mut draw);
        for _ in 1..TRIED {
            let other = Self::any(&mut draw);
            if (other.valence() - wanted).abs() < (best.valence() - wanted).abs() {
                best = other;
            }
        }
        best
    }

    fn any(draw: &mut Draw) -> Self {
        let first = Clause::any(draw);
        if draw.chance(SECOND) {
            let second = Some((draw.chance(0.5), Clause::any(draw)));
            return Self { opening: None, first, second, closing: None };
        }
        let opening = draw.chance(OPENING).then(|| place(draw, OPENINGS));
        let closing = draw.chance(CLOSING).then(|| place(draw, CLOSINGS));
        Self { opening, first, second: None, closing }
    }

    /// Its words in order, in lower case.
    pub fn words(&self) -> Vec<&'static str> {
        let mut words: Vec<&str> = self.opening.map(|n| OPENINGS[n].0).into_iter().collect();
        self.first.say(&mut words);
        if let Some((but, second)) = &self.second {
            words.push(if *but { "but" } else { "and" });
            second.say(&mut words);
        }
        words.extend(self.closing.map(|n| CLOSINGS[n]));
        words
    }

    /// Its words with blanks between, as a transcript has them.
    pub fn text(&self) -> String {
        self.words().join(" ")
    }

    /// Its valence in [-3, 3] by the rules of [`super`].
    pub fn valence(&self) -> f64 {
        let first = self.first.valence();
        let clauses = match &self.second {
            None => first,
            Some((true, second)) => BUT[0] * first + BUT[1] * second.valence(),
            Some((false, second)) => (first + second.valence()) / 2.0,
        };
        (clauses + self.opening.map_or(0.0, |n| OPENINGS[n].1)).clamp(-3.0, 3.0)
    }
}

impl Clause {
    fn any(draw: &mut Draw) -> Self {
        let denied = draw.chance(NEGATION);
        let denial = denied.then(|| if draw.chance(0.5) { Denial::Never } else { Denial::Not });
        let degree = draw.chance(DEGREE).then(|| place(draw, DEGREES));
        let (owner, thing) = (place(draw, OWNERS), place(draw, THINGS));
        let (person, quality) = (place(draw, PEOPLE), place(draw, QUALITIES));
        match draw.unit() {
            p if p < 0.45 => Self::Being { owner, thing, being: place(draw, BEING), denial, degree, quality },
            p if p < 0.80 => {
                Self::Doing { person, denial, really: degree.is_some(), verb: place(draw, VERBS), owner, thing }
            }
            _ => Self::Having { person, never: denied, degree, quality, thing },
        }
    }

    fn say(&self, words: &mut Vec<&'static str>) {
        match *self {
            Self::Being { owner, thing, being, denial, degree, quality } => {
                words.extend([OWNERS[owner], THINGS[thing], BEING[being]]);
                words.extend(denial.map(Denial::word));
                words.extend(degree.map(|n| DEGREES[n].0));
                words.push(QUALITIES[quality].0);
            }
            Self::Doing { person, denial, really, verb, owner, thing } => {
                words.push(PEOPLE[person]);
                match denial {
                    Some(Denial::Not) => words.extend(["do", "not"]),
                    Some(Denial::Never) => words.push("never"),
                    None => {}
                }
                words.extend(really.then_some(DEGREES[REALLY].0));
                words.extend([VERBS[verb].0, OWNERS[owner], THINGS[thing]]);
            }
            Self::Having { person, never, degree, quality, thing } => {
                words.push(PEOPLE[person]);
                words.extend(never.then_some("never"));
                let next = degree.map_or(QUALITIES[quality].0, |n| DEGREES[n].0);
                words.extend(["had", article(next)]);
                words.extend(degree.map(|n| DEGREES[n].0));
                words.extend([QUALITIES[quality].0, THINGS[thing]]);
            }
        }
    }

    fn valence(&self) -> f64 {
        let denied = |denial: Option<Denial>| denial.map_or(1.0, Denial::factor);
        let scaled = |degree: Option<usize>| degree.map_or(1.0, |n| DEGREES[n].1);
        match *self {
            Self::Being { denial, degree, quality, .. } => denied(denial) * scaled(degree) * QUALITIES[quality].1,
            Self::Doing { denial, really, verb, .. } => {
                denied(denial) * scaled(really.then_some(REALLY)) * VERBS[verb].1
            }
            Self::Having { never, degree, quality, .. } => {
                denied(never.then_some(Denial::Never)) * scaled(degree) * QUALITIES[quality].1
            }
        }
    }
}

impl Denial {
    fn word(self) -> &'static str {
        match self {
            Self::Not => "not",
            Self::Never => "never",
        }
    }

    fn factor(self) -> f64 {
        match self {
            Self::Not => NOT,
            Self::Never => NEVER,
        }
    }
}

/// "an" before a vowel that is heard: "an ugly", "a useful".
fn article(next: &str) -> &'static str {
    let heard = next == "ugly" || next.starts_with(['a', 'e', 'i', 'o']);
    if heard { "an" } else { "a" }
}

/// A place in `table`.
fn place<T>(draw: &mut Draw, table: &[T]) -> usize {
    draw.between(0, table.len() - 1)
}
