//! The words, by kind. A number beside a word is its valence, or for a word of degree its factor.

/// A word and its number.
pub type Valued = (&'static str, f64);

/// What "not" does to the value of its clause.
pub const NOT: f64 = -0.6;
/// What "never" does to the value of its clause.
pub const NEVER: f64 = -0.8;
/// Shares of the clauses before and after "but".
pub const BUT: [f64; 2] = [0.3, 0.7];

/// Adjectives and their valence.
pub const QUALITIES: &[Valued] = &[
    ("wonderful", 3.0),
    ("perfect", 2.9),
    ("fantastic", 2.8),
    ("amazing", 2.7),
    ("beautiful", 2.5),
    ("great", 2.4),
    ("lovely", 2.2),
    ("delightful", 2.1),
    ("charming", 1.9),
    ("friendly", 1.8),
    ("happy", 1.7),
    ("good", 1.5),
    ("funny", 1.4),
    ("nice", 1.3),
    ("pleasant", 1.2),
    ("clever", 1.1),
    ("useful", 0.9),
    ("fine", 0.7),
    ("decent", 0.5),
    ("calm", 0.3),
    ("plain", 0.0),
    ("usual", 0.0),
    ("small", 0.0),
    ("simple", 0.1),
    ("strange", -0.4),
    ("slow", -0.5),
    ("dull", -0.9),
    ("tired", -0.8),
    ("weak", -1.0),
    ("cold", -0.7),
    ("boring", -1.3),
    ("poor", -1.2),
    ("bad", -1.5),
    ("broken", -1.4),
    ("sad", -1.7),
    ("rude", -1.9),
    ("ugly", -2.0),
    ("nasty", -2.2),
    ("cruel", -2.4),
    ("awful", -2.6),
    ("dreadful", -2.7),
    ("horrible", -2.9),
    ("terrible", -3.0),
];

/// Verbs and their valence.
pub const VERBS: &[Valued] = &[
    ("adore", 2.9),
    ("love", 2.6),
    ("enjoy", 2.0),
    ("admire", 1.8),
    ("like", 1.4),
    ("trust", 1.2),
    ("accept", 0.4),
    ("see", 0.0),
    ("know", 0.0),
    ("remember", 0.0),
    ("want", 0.6),
    ("doubt", -0.8),
    ("avoid", -1.1),
    ("dislike", -1.5),
    ("regret", -1.7),
    ("fear", -1.8),
    ("hate", -2.6),
    ("despise", -2.9),
];

/// Words of degree and their factors.
pub const DEGREES: &[Valued] =
    &[("extremely", 1.5), ("very", 1.3), ("really", 1.2), ("quite", 0.85), ("rather", 0.7), ("slightly", 0.45)];

/// Words that a sentence can begin with, and their valence.
pub const OPENINGS: &[Valued] = &[
    ("happily", 0.8),
    ("gladly", 0.7),
    ("luckily", 0.6),
    ("honestly", 0.0),
    ("perhaps", 0.0),
    ("sadly", -0.8),
    ("unfortunately", -0.7),
    ("alas", -0.6),
];

/// Things that are spoken about.
pub const THINGS: &[&str] = &[
    "garden",
    "room",
    "meal",
    "film",
    "song",
    "book",
    "story",
    "game",
    "house",
    "street",
    "city",
    "journey",
    "train",
    "teacher",
    "doctor",
    "neighbour",
    "dog",
    "cat",
    "horse",
    "weather",
    "morning",
    "evening",
    "summer",
    "winter",
    "letter",
    "picture",
    "present",
    "party",
    "concert",
    "market",
    "kitchen",
    "window",
    "river",
    "mountain",
    "robot",
    "machine",
    "phone",
    "answer",
    "lesson",
    "plan",
];

/// Whose they are.
pub const OWNERS: &[&str] = &["the", "this", "that", "my", "our", "your", "their"];

/// Who does something.
pub const PEOPLE: &[&str] = &["i", "we", "you", "they"];

/// What joins a thing and its quality.
pub const BEING: &[&str] = &["is", "was"];

/// Words that a sentence can end with; they mean nothing for its valence.
pub const CLOSINGS: &[&str] = &["today", "again", "now", "here", "there", "outside", "anyway", "though"];

/// Words that hold sentences together.
pub const OTHERS: &[&str] = &["a", "an", "had", "do", "not", "never", "and", "but"];
