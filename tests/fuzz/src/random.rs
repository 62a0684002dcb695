//! Choices that a seed and a number decide.

use fastrand::Rng;

/// The generator of case `case` of the run `seed`.
pub(crate) fn of_case(seed: u64, case: u64) -> Rng {
    // SplitMix64's finaliser: neighbouring numbers give unlike generators.
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(case);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Rng::with_seed(z ^ (z >> 31))
}

/// One of `items`; none of none.
pub(crate) fn one<'a, T>(random: &mut Rng, items: &'a [T]) -> Option<&'a T> {
    if items.is_empty() { None } else { items.get(random.usize(..items.len())) }
}

/// A place in `0..=len`, half of the time near the beginning, where formats keep what decides.
pub(crate) fn place(random: &mut Rng, len: usize) -> usize {
    let most = if random.bool() { len.min(128) } else { len };
    random.usize(..=most)
}
