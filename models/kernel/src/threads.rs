//! Work on blocks of rows, on as many threads as tract's products may use.

use rayon::prelude::*;
use tract_linalg::multithread::{Executor, current_tract_executor};

/// How many threads the caller's products may use.
pub(super) fn threads() -> usize {
    match current_tract_executor() {
        Executor::SingleThread => 1,
        Executor::MultiThread(pool) => pool.current_num_threads(),
        Executor::RayonGlobal => rayon::current_num_threads(),
    }
}

/// Calls `work` for each block of `block` numbers of `out` with the block's number; the last one may be shorter.
pub(super) fn for_blocks<T: Send>(out: &mut [T], block: usize, work: impl Fn(usize, &mut [T]) + Send + Sync) {
    let parallel = |out: &mut [T]| out.par_chunks_mut(block).enumerate().for_each(|(i, part)| work(i, part));
    match current_tract_executor() {
        Executor::MultiThread(pool) if out.len() > block => pool.install(|| parallel(out)),
        Executor::RayonGlobal if out.len() > block => parallel(out),
        _ => out.chunks_mut(block).enumerate().for_each(|(i, part)| work(i, part)),
    }
}
