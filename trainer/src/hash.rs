//! Random numbers as a function of a key and a counter: nothing to save, nothing to restore.

/// Weyl increment of the counter (SplitMix64).
const INCREMENT: u64 = 0x9E37_79B9_7F4A_7C15;

/// Number `counter` of the stream `key`: 64 random bits (SplitMix64 at a position).
pub(crate) fn mix(key: u64, counter: u64) -> u64 {
    let mut z = key.wrapping_add(counter.wrapping_add(1).wrapping_mul(INCREMENT));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// One key from several numbers; their order counts.
pub(crate) fn key(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |key, &part| mix(key ^ part.wrapping_mul(INCREMENT), part))
}

/// A number in [0, 1) with 53 random bits.
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / 9_007_199_254_740_992.0
}

/// Brings `items` into the random order of `key` (Fisher and Yates).
pub(crate) fn shuffle<T>(items: &mut [T], key: u64) {
    for i in (1..items.len()).rev() {
        // The bias of a remainder of 64 bits is below 2^-40 for any corpus.
        items.swap(i, (mix(key, i as u64) % (i as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_depend_on_every_part_and_on_their_order() {
        let keys = [key(&[1, 2]), key(&[2, 1]), key(&[1, 2, 0]), key(&[1]), key(&[0, 1, 2]), key(&[1, 3])];
        for (i, a) in keys.iter().enumerate() {
            for b in &keys[i + 1..] {
                assert_ne!(a, b);
            }
        }
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_every_place_is_equally_likely() {
        let mut counts = [[0usize; 5]; 5];
        for seed in 0..20_000 {
            let mut items = [0, 1, 2, 3, 4];
            shuffle(&mut items, seed);
            for (place, item) in items.into_iter().enumerate() {
                counts[item][place] += 1;
            }
        }
        // 4000 expected; five standard deviations are 283.
        assert!(counts.iter().flatten().all(|n| n.abs_diff(4000) < 283), "{counts:?}");
    }
}
