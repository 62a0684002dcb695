//! A quiet barrier around libraries that panic.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// How many barriers this thread is inside of.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs `call`; a panic in it becomes the error, and no report of it is printed.
///
/// For libraries that panic on hostile content, where a panic is an outcome of one input and no fault of the program.
/// Only panics of the calling thread within `call` are silent: those of other threads, and those before and after,
/// reach the panic hook that was set when this function was first called. A hook that is set later replaces the
/// barrier's own and reports every panic; those within `call` become errors all the same.
///
/// What `call` had under its hands may be half changed after a panic: give it nothing that is used afterwards.
///
/// # Errors
/// What the panic carried, mostly its message as `&'static str` or `String`. Needs unwinding panics: where they abort
/// (`panic = "abort"`), the program ends.
///
/// ```
/// let parsed = mien_capture::quietly(|| u32::from_str_radix("12", 10));
/// assert!(matches!(parsed, Ok(Ok(12))));
/// assert!(mien_capture::quietly(|| [1, 2, 3].iter().step_by(0).count()).is_err());
/// ```
pub fn quietly<T>(call: impl FnOnce() -> T) -> std::thread::Result<T> {
    static QUIET_HOOK: Once = Once::new();
    // A hook cannot be replaced while this thread is panicking already; then the report simply stays loud.
    if !std::thread::panicking() {
        QUIET_HOOK.call_once(|| {
            let loud = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if DEPTH.get() == 0 {
                    loud(info);
                }
            }));
        });
    }
    DEPTH.set(DEPTH.get().saturating_add(1));
    let outcome = panic::catch_unwind(AssertUnwindSafe(call));
    DEPTH.set(DEPTH.get().saturating_sub(1));
    outcome
}
