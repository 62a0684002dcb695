//! How many threads a graph's matrix products may use.

use tract_linalg::multithread::{Executor, current_tract_executor, multithread_tract_scope, set_default_executor};

/// Sets the number of threads for all sessions of this process; 1 runs in the caller's thread.
///
/// The result does not depend on the number: threads split tiles of a product, never a sum.
pub fn set_threads(threads: usize) {
    let executor = if threads > 1 { Executor::multithread(threads) } else { Executor::SingleThread };
    set_default_executor(executor);
}

/// Does `work` with matrix products on the calling thread alone, whatever [`set_threads`] says.
pub fn on_one_thread<R>(work: impl FnOnce() -> R) -> R {
    multithread_tract_scope(Executor::SingleThread, work)
}

/// Does `work` on the calling thread and on each thread that serves its matrix products, and waits for all of them.
pub fn on_own_threads(work: impl Fn() + Send + Sync) {
    work();
    if let Executor::MultiThread(pool) = current_tract_executor() {
        pool.broadcast(|_| work());
    }
}
