//! Relative positions: buckets, and the bias of each head by distance (spec section 2.1).

use super::config::WavlmConfig;

/// Bucket of the distance `relative` = key index - query index, in frames.
///
/// Each sign has half of the buckets: the first half of those one per distance, the rest growing logarithmically up to
/// `max_distance`; further distances share the last. In f32 as the networks were trained. Wants `buckets` of at least 4
/// and `max_distance` above a quarter of it, as [`WavlmConfig::validate`] demands.
pub fn bucket(relative: i64, buckets: usize, max_distance: usize) -> usize {
    let per_sign = buckets / 2;
    let exact = per_sign / 2;
    let base = if relative > 0 { per_sign } else { 0 };
    let distance = usize::try_from(relative.unsigned_abs()).unwrap_or(usize::MAX);
    if distance < exact {
        return base + distance;
    }
    let octaves = (distance as f32 / exact as f32).ln() / (max_distance as f64 / exact as f64).ln() as f32;
    // A float beyond usize saturates, so a huge distance lands in the last bucket too.
    let logarithmic = (exact as f32 + octaves * (per_sign - exact) as f32) as usize;
    base + logarithmic.min(per_sign - 1)
}

/// Bias of each head by distance; long enough that any longer distance has the bias of its ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DistanceTable {
    /// Largest distance in the table: from here on the bucket stays the same.
    pub(super) reach: usize,
    /// [heads, 2 reach + 1], the distance -reach first.
    pub(super) bias: Vec<f32>,
}

impl DistanceTable {
    /// Spreads the learned `embedding` [buckets, heads] over distances.
    ///
    /// No longest utterance is built into a graph this way, and the table of WavLM-Large is 100 kB.
    pub(super) fn new(config: &WavlmConfig, embedding: &[f32]) -> Self {
        let at = |distance: i64| bucket(distance, config.buckets, config.max_distance);
        let last = config.buckets - 1;
        // Rounding may put the last bucket's start a step beyond `max_distance`, never further.
        let reach = (1..=config.max_distance).find(|&d| at(d as i64) == last).unwrap_or(config.max_distance + 1);
        let distances = -(reach as i64)..=reach as i64;
        let bias = (0..config.heads)
            .flat_map(|head| distances.clone().map(move |d| (head, d)))
            .map(|(head, d)| embedding.get(at(d) * config.heads + head).copied().unwrap_or_default())
            .collect();
        Self { reach, bias }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_of_the_large_network() {
        let expected = [
            (0, 0),
            (1, 161),
            (-1, 1),
            (79, 239),
            (80, 240),
            (82, 240),
            (83, 241),
            (100, 247),
            (200, 271),
            (400, 295),
            (777, 318),
            (778, 319),
            (5000, 319),
            (-778, 159),
            (i64::MAX, 319),
            (i64::MIN, 159),
        ];
        for (distance, value) in expected {
            assert_eq!(bucket(distance, 320, 800), value, "distance {distance}");
        }
    }

    #[test]
    fn table_repeats_the_bucket_at_every_distance() {
        for config in [WavlmConfig::tiny(), WavlmConfig::large()] {
            let embedding: Vec<f32> = (0..config.buckets * config.heads).map(|i| i as f32).collect();
            let table = DistanceTable::new(&config, &embedding);
            let (reach, width) = (table.reach as i64, 2 * table.reach + 1);
            assert_eq!(table.bias.len(), config.heads * width);
            for head in 0..config.heads {
                for distance in -4000_i64..=4000 {
                    let column = (distance.clamp(-reach, reach) + reach) as usize;
                    let row = bucket(distance, config.buckets, config.max_distance);
                    assert_eq!(table.bias[head * width + column], embedding[row * config.heads + head]);
                }
            }
        }
    }

    #[test]
    fn table_of_the_large_network_ends_where_the_last_bucket_starts() {
        assert_eq!(DistanceTable::new(&WavlmConfig::large(), &[0.0; 320 * 16]).reach, 778);
    }
}
