//! Lines that would go to stderr while the view has the terminal, and events: shown at the bottom of the view.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use heapless::Deque;
use serde_json::Value;

use crate::cli::output;

/// Lines kept; overflow: the oldest is forgotten.
const LINES: usize = 64;
/// Lines that a picture shows at most.
pub(super) const SHOWN: usize = 8;

struct Line {
    text: String,
    /// Goes to stderr once the view is closed.
    owed: bool,
}

struct Kept {
    lines: Deque<Line, LINES>,
    /// Owed lines that were forgotten.
    forgotten: u64,
}

static KEPT: Mutex<Kept> = Mutex::new(Kept { lines: Deque::new(), forgotten: 0 });
/// Whether a view shows the lines.
static OPEN: AtomicBool = AtomicBool::new(false);

fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kept {
    fn put(&mut self, text: &str, owed: bool) {
        if self.lines.is_full()
            && let Some(oldest) = self.lines.pop_front()
        {
            self.forgotten = self.forgotten.saturating_add(oldest.owed.into());
        }
        let _ = self.lines.push_back(Line { text: text.into(), owed });
    }
}

/// From now on lines are kept.
pub(super) fn open() {
    OPEN.store(true, Ordering::Release);
}

/// Takes a line that is meant for stderr if a view has the terminal that stderr writes to; else the caller writes it.
pub(crate) fn keep(line: &str) -> bool {
    let mine = OPEN.load(Ordering::Acquire) && std::io::stderr().is_terminal();
    if mine {
        kept().put(line, true);
    }
    mine
}

/// Shows a line.
pub(super) fn note(line: &str) {
    kept().put(line, false);
}

/// Shows what was answered to a command, if it was refused.
pub(super) fn answer(answer: &Value) {
    if let Some(reason) = answer.get("error").and_then(Value::as_str) {
        note(&format!("mien: {reason}"));
    }
}

/// The last lines, oldest first.
pub(super) fn last() -> Vec<String> {
    let kept = kept();
    let skipped = kept.lines.len().saturating_sub(SHOWN);
    kept.lines.iter().skip(skipped).map(|line| line.text.clone()).collect()
}

/// The view is closed: writes what is owed to stderr.
pub(super) fn flush() {
    OPEN.store(false, Ordering::Release);
    let mut kept = kept();
    let forgotten = std::mem::take(&mut kept.forgotten);
    if forgotten > 0 {
        output::on_stderr(&format!("mien: {forgotten} earlier lines were not kept; `2>FILE` keeps all"));
    }
    while let Some(line) = kept.lines.pop_front() {
        if line.owed {
            output::on_stderr(&line.text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept_and_the_lost_ones_counted() {
        let mut kept = Kept { lines: Deque::new(), forgotten: 0 };
        for n in 0..LINES + 10 {
            kept.put(&n.to_string(), n % 2 == 0);
        }
        assert_eq!(kept.lines.len(), LINES);
        assert_eq!(kept.forgotten, 5);
        assert_eq!(kept.lines.front().unwrap().text, "10");
        assert_eq!(kept.lines.back().unwrap().text, (LINES + 9).to_string());
    }
}
