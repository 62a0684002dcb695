//! One machine's part of a clip list.

use std::fmt;
use std::str::FromStr;

/// Most parts of a list.
const MOST: usize = 9999;

/// Part `number` of `of`, counted from 1. Clips are dealt in turn by their place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: usize,
    of: usize,
}

impl Shard {
    /// The whole list.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Part `number` of `of`, each held to what can be.
    pub fn part(number: usize, of: usize) -> Self {
        let of = of.clamp(1, MOST);
        Self { number: number.clamp(1, of), of }
    }

    /// Whether the clip at `place` of the list, counted from 0, belongs to this part.
    pub fn holds(self, place: usize) -> bool {
        place % self.of + 1 == self.number
    }

    /// The part's name in paths.
    pub(super) fn name(self) -> String {
        format!("{}-of-{}", self.number, self.of)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("expected I/N with I from 1 to N and N at most {MOST}, like 1/4, found {text:?}");
        let (number, of) = text.split_once('/').ok_or_else(refuse)?;
        let parse = |digits: &str| digits.parse::<usize>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
        let (number, of) = (parse(number).ok_or_else(refuse)?, parse(of).ok_or_else(refuse)?);
        if (1..=of).contains(&number) && of <= MOST { Ok(Self { number, of }) } else { Err(refuse()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_belongs_to_exactly_one_part() {
        for of in [1, 2, 3, 7] {
            let parts: Vec<Shard> = (1..=of).map(|number| Shard { number, of }).collect();
            for place in 0..100 {
                assert_eq!(parts.iter().filter(|part| part.holds(place)).count(), 1);
            }
            // Parts are equally large, give or take one clip.
            let sizes = parts.iter().map(|part| (0..100).filter(|&place| part.holds(place)).count());
            assert!(sizes.clone().max().zip(sizes.min()).is_some_and(|(most, least)| most - least <= 1));
        }
    }

    #[test]
    fn parts_are_read_as_they_are_shown() {
        for text in ["1/1", "3/4", "9999/9999"] {
            assert_eq!(text.parse::<Shard>().map(|shard| shard.to_string()), Ok(text.into()));
        }
        for text in
            ["", "1", "0/2", "3/2", "1/0", "a/2", "1/2/3", "+1/2", " 1/2", "-1/2", "1/10000", "1/99999999999999999999"]
        {
            assert!(text.parse::<Shard>().is_err_and(|e| e.contains("like 1/4")), "{text}");
        }
    }
}
