//! How fast the language model reads and writes, and what reading its hidden states costs.

use std::time::Instant;

use mien_models::bundle::Bundle;
use serde::Serialize;

use super::memory::{peak_bytes, resident_bytes};
use crate::record::BundleMark;
use crate::scorer::{BundleFacts, Reader, ScorerSettings};
use crate::spread::Spread;
use crate::{Result, RuntimeError};

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct LlmBenchSettings {
    /// Tokens of the prompt, at least 1.
    pub prompt: usize,
    /// Tokens that are generated, at least 1.
    pub tokens: usize,
    /// Counted runs each way, after one of each that is not counted.
    pub runs: u32,
}

/// What `mien bench --llm` found.
#[derive(Clone, Debug, Serialize)]
pub struct LlmBenchReport {
    /// The weights.
    pub bundle: BundleMark,
    /// Threads of the language model.
    pub threads: usize,
    /// Time to load it, milliseconds.
    pub load_ms: f64,
    /// A text to the logits of its last token; with states, to the last of those, read at each token as for a transcript.
    pub prompt: LlmRate,
    /// Generated tokens, with the states of each read as for simulated text.
    pub generation: LlmRate,
    /// Resident memory after loading, bytes.
    pub loaded_bytes: Option<u64>,
    /// Most memory that the process held, bytes.
    pub peak_bytes: Option<u64>,
}

/// One kind of work both ways.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LlmRate {
    /// Tokens of one run.
    pub tokens: usize,
    /// Time of a run with no states read.
    pub plain: Spread,
    /// Time of a run with the method's states read.
    pub states: Spread,
    /// Tokens per second with no states read, by the median.
    pub plain_per_s: f64,
    /// Tokens per second with states read, by the median.
    pub states_per_s: f64,
    /// Median over the runs of the time with states over the time without beside it.
    pub ratio: f64,
}

/// Times the language model of `bundle`, with and without states in turn.
///
/// # Errors
/// What loading raises; [`RuntimeError::Request`] for no tokens or runs, [`RuntimeError::Stage`] for more tokens than the
/// context holds.
pub fn run_llm(bundle: &Bundle, engine: &ScorerSettings, settings: &LlmBenchSettings) -> Result<LlmBenchReport> {
    let none = |what: &str| RuntimeError::Request { what: what.into(), reason: "0, expected at least 1".into() };
    let LlmBenchSettings { prompt, tokens, runs } = *settings;
    for (what, value) in [("--prompt", prompt), ("--tokens", tokens), ("--runs", runs as usize)] {
        if value == 0 {
            return Err(none(what));
        }
    }
    let start = Instant::now();
    let mut reader = Reader::open(bundle, engine)?;
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    let loaded_bytes = resident_bytes();
    let (mut plain, mut states) = (Vec::new(), Vec::new());
    for run in 0..=runs {
        // Each way goes first in every other run: whatever a first place is worth, both get it.
        for with_states in if run % 2 == 0 { [false, true] } else { [true, false] } {
            let time = reader.time(prompt, tokens, with_states)?;
            if run > 0 {
                if with_states { states.push(time) } else { plain.push(time) }
            }
        }
    }
    let rate = |tokens, which| LlmRate::of(tokens, &plain, &states, which).ok_or_else(|| none("--runs"));
    Ok(LlmBenchReport {
        bundle: BundleFacts::of(bundle).mark,
        threads: engine.llm_threads,
        load_ms,
        prompt: rate(prompt, 0)?,
        generation: rate(tokens, 1)?,
        loaded_bytes,
        peak_bytes: peak_bytes(),
    })
}

impl LlmRate {
    /// Of the times number `which`, in milliseconds, of runs of `tokens` tokens.
    fn of(tokens: usize, plain: &[[f64; 2]], states: &[[f64; 2]], which: usize) -> Option<Self> {
        let column = |times: &[[f64; 2]]| times.iter().filter_map(|t| t.get(which).copied()).collect::<Vec<_>>();
        let (plain, states) = (column(plain), column(states));
        let ratios: Vec<f64> = plain.iter().zip(&states).map(|(p, s)| s / p.max(f64::MIN_POSITIVE)).collect();
        let ratio = Spread::of(&ratios)?.median_ms;
        let (plain, states) = (Spread::of(&plain)?, Spread::of(&states)?);
        let per_s = |spread: Spread| tokens as f64 * 1e3 / spread.median_ms.max(f64::MIN_POSITIVE);
        Some(Self { tokens, plain_per_s: per_s(plain), states_per_s: per_s(states), plain, states, ratio })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_compares_neighbours() {
        let (plain, states) = ([100.0, 200.0, 400.0], [110.0, 210.0, 800.0]);
        let [plain, states] = [plain, states].map(|times| times.map(|ms| [1.0, ms]));
        let rate = LlmRate::of(20, &plain, &states, 1).unwrap();
        assert_eq!((rate.plain_per_s, rate.plain.runs), (100.0, 3));
        assert!((rate.ratio - 1.1).abs() < 1e-9, "{rate:?}");
        assert!(LlmRate::of(20, &[], &[], 0).is_none());
    }
}
