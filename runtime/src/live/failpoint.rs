//! Panics on request, for tests of what becomes of a session whose threads break.
//!
//! Nothing outside of the process can ask for one: no variable, no file, no command.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Whether any is asked for, so that a turn of a stage costs one load.
static ASKED: AtomicBool = AtomicBool::new(false);
static THREADS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The next turn of the thread `name` panics, once for each call.
#[doc(hidden)]
pub fn panic_in(name: &str) {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
    ASKED.store(true, Ordering::Release);
}

/// Whether nothing that was asked for is still to come.
#[doc(hidden)]
pub fn none_left() -> bool {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
}

/// Panics where a test asked for it.
#[expect(clippy::panic, reason = "it is what a test asks for; nothing else can ask")]
pub(crate) fn here(name: &str) {
    if !ASKED.load(Ordering::Acquire) {
        return;
    }
    let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(index) = threads.iter().position(|asked| asked == name) else { return };
    threads.remove(index);
    drop(threads);
    std::panic::panic_any(format!("a test asked {name} to break"));
}
