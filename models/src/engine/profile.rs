//! Where a graph's time goes, by kind of operator.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Time spent in all nodes of one kind during one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorTime {
    /// tract's name of the operator.
    pub operator: String,
    /// Number of nodes run.
    pub nodes: usize,
    /// Sum over those nodes.
    pub time: Duration,
}

/// Adds up time per operator kind.
#[derive(Default)]
pub(super) struct Stopwatch {
    times: BTreeMap<String, (usize, Duration)>,
}

impl Stopwatch {
    pub(super) fn time<T>(&mut self, operator: &str, run: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = run();
        let entry = self.times.entry(operator.into()).or_default();
        entry.0 += 1;
        entry.1 += start.elapsed();
        result
    }

    pub(super) fn into_times(self) -> Vec<OperatorTime> {
        let mut times: Vec<_> =
            self.times.into_iter().map(|(operator, (nodes, time))| OperatorTime { operator, nodes, time }).collect();
        times.sort_by_key(|t| std::cmp::Reverse(t.time));
        times
    }
}
