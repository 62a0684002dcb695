//! Voices of espeak-ng that the corpus speaks with.

/// Accents of English, espeak-ng's voice names.
pub const ACCENTS: &[&str] =
    &["en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc"];

/// Variants of women's voices. Whispering and robots' variants are left out.
pub const WOMEN: &[&str] = &[
    "Alicia", "Andrea", "Annie", "anika", "aunty", "f1", "f2", "f3", "steph", "grandma", "belinda", "f4", "steph3",
    "f5", "shelby",
];

/// Variants of men's voices.
pub const MEN: &[&str] = &[
    "Alex", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo", "Jacky", "Lee", "Marco", "Mario", "Mike", "adam",
    "antonio", "boris", "ed", "iven2", "m1", "m2", "m3", "m4", "m5", "marcelo", "rob", "Nguyen", "m6", "norbert",
    "quincy", "m7", "m8", "paul", "victor", "travis",
];
