//! How many threads a graph's matrix products may use.

use tract_linalg::multithread::{Executor, set_default_executor};

/// Sets the number of threads for all sessions of this process; 1 runs in the caller's thread.
///
/// The result does not depend on the number: threads split tiles of a product, never a sum.
pub fn set_threads(threads: usize) {
    let executor = if threads > 1 { Executor::multithread(threads) } else { Executor::SingleThread };
    set_default_executor(executor);
}
