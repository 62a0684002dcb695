//! What was shown, one line each.

use std::time::{Duration, Instant};

/// The trial's findings; each is printed when it is made.
pub(crate) struct Report {
    scenario: String,
    held: usize,
    failed: Vec<String>,
    started: Instant,
}

impl Report {
    /// Nothing was shown yet.
    pub(crate) fn new() -> Self {
        Self { scenario: String::new(), held: 0, failed: Vec::new(), started: Instant::now() }
    }

    /// What follows belongs to this scenario.
    pub(crate) fn scenario(&mut self, name: &str) {
        self.scenario = name.into();
        println!("-- {name} ({:.0} s)", self.started.elapsed().as_secs_f64());
    }

    /// Something that holds or does not, with what was seen.
    pub(crate) fn holds(&mut self, what: &str, held: bool, seen: &str) {
        println!("{}  {what:50} {seen}", if held { "ok    " } else { "FAILED" });
        if held {
            self.held += 1;
        } else {
            self.failed.push(format!("{}: {what}: {seen}", self.scenario));
        }
    }

    /// Something that took a while, with the longest that it may take.
    pub(crate) fn timed(&mut self, what: &str, took: Duration, limit: Duration) {
        let seen = format!("{:6.2} s  (limit {:.0} s)", took.as_secs_f64(), limit.as_secs_f64());
        self.holds(what, took <= limit, &seen);
    }

    /// Something to know that proves nothing.
    pub(crate) fn note(&self, what: &str, seen: &str) {
        println!("note    {what:50} {seen}");
    }

    /// Prints the sum; whether everything held.
    pub(crate) fn finish(&self) -> bool {
        println!("-- {} held, {} failed, {:.0} s", self.held, self.failed.len(), self.started.elapsed().as_secs_f64());
        for failed in &self.failed {
            println!("FAILED  {failed}");
        }
        self.failed.is_empty() && self.held > 0
    }
}
