//! Inputs out of a corpus: the corpus's files, changed.

use fastrand::Rng;

use crate::random::{of_case, one, place};
use crate::structure::{Framing, elements, number, replace, set_number};
use crate::targets::Target;

/// Inputs that a run keeps beside the corpus, because a reader answered them in a new way.
const MOST_KEPT: usize = 256;
/// Numbers at which sizes and counts go wrong.
const TURNS: [u64; 22] = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    9,
    15,
    16,
    31,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];
/// The same as text.
const TEXT_TURNS: [&str; 20] = [
    "0",
    "-1",
    "1",
    "00",
    "59",
    "60",
    "99",
    "100",
    "999",
    "255",
    "65536",
    "2147483648",
    "4294967296",
    "9223372036854775808",
    "18446744073709551616",
    "99999999999999999999999999",
    "1e308",
    "1e-400",
    "nan",
    "-inf",
];

/// Makes the inputs of a target.
pub struct Mutator<'t> {
    target: &'t Target,
    seeds: Vec<Vec<u8>>,
    kept: Vec<Vec<u8>>,
}

impl<'t> Mutator<'t> {
    /// A mutator of `seeds`, the corpus of `target`.
    #[must_use]
    pub fn new(target: &'t Target, seeds: Vec<Vec<u8>>) -> Self {
        Self { target, seeds, kept: Vec::new() }
    }

    /// Keeps an input as a further one to start from.
    pub fn keep(&mut self, input: &[u8], random: u64) {
        if self.kept.len() < MOST_KEPT {
            self.kept.push(input.to_vec());
        } else if let Some(slot) = self.kept.get_mut(random as usize % MOST_KEPT) {
            *slot = input.to_vec();
        }
    }

    /// The input of case `case` of the run `seed`: the first cases are the corpus as it is.
    pub fn input(&self, seed: u64, case: u64) -> Vec<u8> {
        if let Some(plain) = usize::try_from(case).ok().and_then(|case| self.seeds.get(case)) {
            return plain.clone();
        }
        let random = &mut of_case(seed, case);
        let kept = !self.kept.is_empty() && random.bool();
        let mut bytes = one(random, if kept { &self.kept } else { &self.seeds }).cloned().unwrap_or_default();
        // Mostly one change or two: many at once are refused by the first check that there is.
        let mut changes = 1;
        while changes < 16 && random.u8(..) < 110 {
            changes += 1;
        }
        for _ in 0..changes {
            self.change(random, &mut bytes);
            bytes.truncate(self.target.longest);
        }
        // Some stay with wrong checksums: those are looked at as well.
        if random.u8(..) >= 24 {
            (self.target.repair)(&mut bytes);
        }
        bytes
    }

    fn change(&self, random: &mut Rng, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            bytes.extend(one(random, &self.seeds).into_iter().flatten());
            return;
        }
        let choice = random.u8(..);
        if self.target.text && choice < 150 {
            return self.change_text(random, bytes);
        }
        if let Some(framing) = &self.target.framing
            && choice < 90
        {
            return self.change_element(random, bytes, framing);
        }
        match random.u8(..15) {
            0 => flip(random, bytes),
            1 => set(random, bytes),
            2 | 3 => turn(random, bytes),
            4 => shift(random, bytes),
            5 | 6 => resize(random, bytes),
            7 => cut_out(random, bytes),
            8 => repeat(random, bytes, self.target.longest),
            9 => self.copy(random, bytes),
            10 => self.splice(random, bytes),
            11 => self.token(random, bytes),
            12 | 13 => self.part(random, bytes),
            _ => {
                let at = place(random, bytes.len());
                if random.u8(..4) == 0 { bytes.truncate(at) } else { fill(random, bytes, at) }
            }
        }
    }

    /// Copies a stretch of this input or of another one to another place, over what is there or between.
    fn copy(&self, random: &mut Rng, bytes: &mut Vec<u8>) {
        let source = if random.bool() { bytes.clone() } else { one(random, &self.seeds).cloned().unwrap_or_default() };
        let from = place(random, source.len());
        let to = from + random.usize(..=(source.len() - from).min(256));
        let at = place(random, bytes.len());
        let stretch = source.get(from..to).unwrap_or_default();
        let over = if random.bool() { stretch.len().min(bytes.len() - at) } else { 0 };
        bytes.splice(at..at + over, stretch.iter().copied());
    }

    /// The beginning of this input and the end of another one.
    fn splice(&self, random: &mut Rng, bytes: &mut Vec<u8>) {
        let Some(other) = one(random, &self.seeds) else { return };
        let at = random.usize(..=bytes.len());
        let from = if random.bool() { at.min(other.len()) } else { random.usize(..=other.len()) };
        bytes.truncate(at);
        bytes.extend_from_slice(other.get(from..).unwrap_or_default());
    }

    /// Puts a word of the format somewhere.
    fn token(&self, random: &mut Rng, bytes: &mut Vec<u8>) {
        let Some(token) = one(random, self.target.tokens) else { return flip(random, bytes) };
        let at = place(random, bytes.len());
        let over = if random.bool() { token.len().min(bytes.len() - at) } else { 0 };
        bytes.splice(at..at + over, token.iter().copied());
    }

    /// A part from one word of the format to the next such word, a frame or a page for example, is removed, copied, or comes
    /// again and again.
    fn part(&self, random: &mut Rng, bytes: &mut Vec<u8>) {
        let Some(token) = one(random, self.target.tokens).filter(|token| token.len() > 1) else { return };
        let starts: Vec<usize> =
            bytes.windows(token.len()).enumerate().filter(|(_, w)| w == token).map(|(at, _)| at).collect();
        let Some(&from) = one(random, &starts) else { return flip(random, bytes) };
        let later: Vec<usize> = starts.iter().copied().filter(|at| *at > from).chain([bytes.len()]).collect();
        let to = if random.bool() { later.first() } else { one(random, &later) }.copied().unwrap_or(bytes.len());
        let part = bytes.get(from..to).unwrap_or_default().to_vec();
        match random.u8(..4) {
            0 => drop(bytes.drain(from..to)),
            1 => {
                let at = one(random, &starts).copied().unwrap_or(to);
                bytes.splice(at..at, part);
            }
            _ => {
                let most = self.target.longest / part.len().max(1);
                let times = if random.u8(..4) == 0 { most } else { random.usize(1..16).min(most) };
                bytes.splice(to..to, part.repeat(times));
            }
        }
    }

    /// Changes a size, or removes, doubles or moves an element and corrects the sizes around it.
    fn change_element(&self, random: &mut Rng, bytes: &mut Vec<u8>, framing: &Framing) {
        let all = elements(bytes, framing, self.target.tokens);
        let Some(&element) = one(random, &all) else { return flip(random, bytes) };
        let end = usize::try_from(element.end).unwrap_or(usize::MAX).min(bytes.len());
        let own = bytes.get(element.start..end).unwrap_or_default().to_vec();
        match random.u8(..8) {
            0..=3 => {
                let left = bytes.len().saturating_sub(element.start) as u64;
                let value = match random.u8(..8) {
                    0 => left,
                    1 => left.saturating_sub(framing.uncounted),
                    2 => element.size.wrapping_add(random.u64(..16)),
                    3 => element.size.wrapping_sub(random.u64(..16)),
                    4 => random.u64(..16),
                    5 => random.u64(..=bytes.len() as u64),
                    _ => one(random, &TURNS).copied().unwrap_or(0),
                };
                set_number(bytes, element.start + framing.size_at, framing.width, framing.big, value);
            }
            4 => replace(bytes, framing, &all, element, &[]),
            5 => {
                let times = if random.u8(..8) == 0 { random.usize(2..200) } else { 2 };
                let most = self.target.longest / own.len().max(1);
                replace(bytes, framing, &all, element, &own.repeat(times.min(most.max(1))));
            }
            6 => {
                let Some(&other) = one(random, &all) else { return };
                let end = usize::try_from(other.end).unwrap_or(usize::MAX).min(bytes.len());
                let others = bytes.get(other.start..end).unwrap_or_default().to_vec();
                replace(bytes, framing, &all, element, &others);
            }
            _ => {
                // A change within: tables and their counts stand at the beginning of elements.
                let from = element.start + framing.tag_at.max(framing.size_at) + 4;
                let within = end.saturating_sub(from).min(64);
                if within > 0 {
                    let at = from + random.usize(..within);
                    let width = [1, 2, 4, 8][random.usize(..4)];
                    let value = one(random, &TURNS).copied().unwrap_or(0);
                    set_number(bytes, at, width, random.bool(), value);
                }
            }
        }
    }

    fn change_text(&self, random: &mut Rng, bytes: &mut Vec<u8>) {
        match random.u8(..8) {
            0..=2 => {
                // A number becomes another one.
                let from = random.usize(..bytes.len());
                let after = bytes.get(from..).unwrap_or_default();
                let Some(first) = after.iter().position(u8::is_ascii_digit) else { return flip(random, bytes) };
                let digits = after.iter().skip(first).take_while(|b| b.is_ascii_digit()).count();
                let start = from + first;
                let text = one(random, &TEXT_TURNS).copied().unwrap_or("0");
                bytes.splice(start..start + digits, text.bytes());
            }
            3 | 4 => {
                let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                if lines.is_empty() {
                    return;
                }
                let (a, b) = (random.usize(..lines.len()), random.usize(..lines.len()));
                match random.u8(..4) {
                    0 => drop(lines.remove(a)),
                    1 => lines.swap(a, b),
                    2 => {
                        let line = lines.get(a).cloned().unwrap_or_default();
                        lines.insert(b, line);
                    }
                    _ => {
                        let line = lines.get(a).cloned().unwrap_or_default();
                        let most = (self.target.longest / line.len().max(1)).clamp(1, 300);
                        lines.insert(b, line.repeat(random.usize(1..=most)));
                    }
                }
                *bytes = lines.concat();
            }
            5 => self.token(random, bytes),
            6 => self.splice(random, bytes),
            _ => {
                let odd: [&[u8]; 12] = [
                    b"\n",
                    b"\r",
                    b"\r\n",
                    b"\0",
                    b"\t",
                    b"\xef\xbb\xbf",
                    b"\xff",
                    b"\"",
                    b",",
                    b" ",
                    "\u{202e}".as_bytes(),
                    "\u{1d11e}".as_bytes(),
                ];
                let at = random.usize(..=bytes.len());
                let text = one(random, &odd).copied().unwrap_or_default();
                bytes.splice(at..at, text.iter().copied());
            }
        }
    }
}

fn flip(random: &mut Rng, bytes: &mut [u8]) {
    if let Some(byte) = bytes.get_mut(random.usize(..bytes.len().max(1))) {
        *byte ^= 1 << random.u8(..8);
    }
}

fn set(random: &mut Rng, bytes: &mut [u8]) {
    let at = place(random, bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte = random.u8(..);
    }
}

/// A number at which things go wrong, anywhere.
fn turn(random: &mut Rng, bytes: &mut [u8]) {
    let at = place(random, bytes.len());
    let width = [1, 2, 4, 8][random.usize(..4)];
    let value = one(random, &TURNS).copied().unwrap_or(0);
    set_number(bytes, at, width, random.bool(), value);
}

/// A little more or less.
fn shift(random: &mut Rng, bytes: &mut [u8]) {
    let at = place(random, bytes.len());
    let (width, big) = ([1, 2, 4, 8][random.usize(..4)], random.bool());
    if let Some(value) = number(bytes, at, width, big) {
        let by = random.u64(1..=32);
        let value = if random.bool() { value.wrapping_add(by) } else { value.wrapping_sub(by) };
        set_number(bytes, at, width, big, value);
    }
}

/// A number that may be a length, because it fits into the input, becomes another one.
fn resize(random: &mut Rng, bytes: &mut [u8]) {
    for _ in 0..32 {
        let at = place(random, bytes.len());
        let (width, big) = ([2, 4, 8][random.usize(..3)], random.bool());
        let Some(value) = number(bytes, at, width, big) else { continue };
        if value == 0 || value > 2 * bytes.len() as u64 {
            continue;
        }
        let new = match random.u8(..8) {
            0 => value * 2,
            1 => value / 2,
            2 => bytes.len() as u64,
            3 => (bytes.len() - at) as u64,
            4 => value + random.u64(1..=16),
            5 => value.saturating_sub(random.u64(1..=16)),
            _ => one(random, &TURNS).copied().unwrap_or(0),
        };
        return set_number(bytes, at, width, big, new);
    }
}

fn cut_out(random: &mut Rng, bytes: &mut Vec<u8>) {
    let from = place(random, bytes.len());
    let most = if random.bool() { 16 } else { bytes.len() };
    let to = from + random.usize(..=(bytes.len() - from).min(most));
    bytes.drain(from..to);
}

/// A stretch comes again and again.
fn repeat(random: &mut Rng, bytes: &mut Vec<u8>, longest: usize) {
    let from = place(random, bytes.len());
    let to = from + random.usize(..=(bytes.len() - from).min(64));
    let stretch = bytes.get(from..to).unwrap_or_default();
    let times = if random.u8(..8) == 0 { longest / stretch.len().max(1) } else { random.usize(1..16) };
    let more = stretch.repeat(times.min(longest));
    bytes.splice(to..to, more);
}

/// Bytes of one value, or of any, come between.
fn fill(random: &mut Rng, bytes: &mut Vec<u8>, at: usize) {
    let count = random.usize(1..64);
    let value = [None, Some(0), Some(0xff), Some(b' ')][random.usize(..4)];
    let more: Vec<u8> = (0..count).map(|_| value.unwrap_or_else(|| random.u8(..))).collect();
    bytes.splice(at..at, more);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets;

    #[test]
    fn a_case_is_the_same_in_every_run_and_unlike_its_neighbours() {
        let target = targets::find("mp4").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let seeds = (target.seeds)(folder.path()).unwrap();
        let (a, b) = (Mutator::new(target, seeds.clone()), Mutator::new(target, seeds.clone()));
        let made: Vec<_> = (0..200).map(|case| a.input(7, case)).collect();
        assert_eq!(made, (0..200).map(|case| b.input(7, case)).collect::<Vec<_>>());
        assert_eq!(made[..seeds.len()], seeds[..]);
        let fresh = made[seeds.len()..].iter().collect::<std::collections::BTreeSet<_>>();
        assert!(fresh.len() > 150, "{}", fresh.len());
        assert!(made.iter().all(|input| input.len() <= target.longest));
    }
}
