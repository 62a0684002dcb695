//! Which hidden states are read, under transformers' indices.

use crate::{ModelError, Result};

/// A set of hidden states whose sum is the representation of a token.
///
/// Indices are transformers': with n blocks, k in 1..n is the residual stream after k blocks, and n is the output of
/// the final norm. (Index 0, the token's embedding, is nobody's representation and is not offered.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerSet {
    indices: Vec<usize>,
    layers: usize,
}

impl LayerSet {
    /// The states n-3, n-2, n-1 and n of a model of `layers` = n blocks: the representation of real text
    /// (spec section 2.3).
    ///
    /// # Errors
    /// Config for fewer than 4 blocks.
    pub fn last_four(layers: usize) -> Result<Self> {
        if layers < 4 {
            return Err(refused(format!("the last four states need a model of at least 4 blocks, found {layers}")));
        }
        Self::of((layers - 3..=layers).map(|k| k as i64), layers)
    }

    /// One state: 1 to n, or from the end -1 (= n) to -n (= 1). Simulated text uses -4, which is 29 of 32
    /// (spec section 2.4).
    ///
    /// # Errors
    /// Config for an index outside.
    pub fn single(index: i64, layers: usize) -> Result<Self> {
        Self::of([index], layers)
    }

    /// Any set of states, each index as in [`LayerSet::single`]; repetitions count once.
    ///
    /// # Errors
    /// Config for an empty set or an index outside.
    pub fn of(indices: impl IntoIterator<Item = i64>, layers: usize) -> Result<Self> {
        let n = i64::try_from(layers).unwrap_or(i64::MAX);
        let mut resolved = Vec::new();
        for index in indices {
            // hidden_states has n + 1 members, so -1 is n.
            let k = if index < 0 { index.saturating_add(n).saturating_add(1) } else { index };
            if k < 1 || k > n {
                return Err(refused(format!(
                    "index {index} of a model of {layers} blocks, expected 1 to {n} or -1 to -{n}"
                )));
            }
            resolved.push(k as usize);
        }
        resolved.sort_unstable();
        resolved.dedup();
        if resolved.is_empty() {
            return Err(refused("an empty set of hidden states, expected at least one index".into()));
        }
        Ok(Self { indices: resolved, layers })
    }

    /// The indices, ascending, 1 to n.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// Number of blocks of the model that the indices were resolved for.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Whether the final norm's output is in the set; llama.cpp computes it only for rows that are asked for.
    pub(super) fn has_final(&self) -> bool {
        self.indices.last() == Some(&self.layers)
    }

    /// Names of the graph nodes that hold the states: block k's output is node `l_out-(k-1)`.
    pub(super) fn node_names(&self) -> Vec<String> {
        let name = |&k: &usize| if k == self.layers { "result_norm".into() } else { format!("l_out-{}", k - 1) };
        self.indices.iter().map(name).collect()
    }
}

fn refused(reason: String) -> ModelError {
    ModelError::Config { what: "hidden states of the language model".into(), reason }
}

/// Element-wise sum of equally long row blocks, in f32 and in ascending order of the layer index.
pub(super) fn sum(blocks: Vec<Vec<f32>>) -> Vec<f32> {
    let mut blocks = blocks.into_iter();
    let mut total = blocks.next().unwrap_or_default();
    for block in blocks {
        total.iter_mut().zip(&block).for_each(|(t, b)| *t += b);
    }
    total
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn indices_of_the_published_model() {
        let four = LayerSet::last_four(32).unwrap();
        assert_eq!(four.indices(), [29, 30, 31, 32]);
        assert_eq!(four.node_names(), ["l_out-28", "l_out-29", "l_out-30", "result_norm"]);
        assert_eq!(LayerSet::single(-4, 32).unwrap(), LayerSet::single(29, 32).unwrap());
        assert_eq!(LayerSet::single(-4, 6).unwrap().indices(), [3]);
    }

    #[test]
    fn indices_outside_are_refused() {
        for index in [0, 7, -7, i64::MIN, i64::MAX] {
            assert!(LayerSet::single(index, 6).is_err(), "{index}");
        }
        assert!(LayerSet::last_four(3).is_err());
        assert!(LayerSet::of([], 6).is_err());
    }
}
