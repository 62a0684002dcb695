//! From corpora to batches.

pub mod batch;
pub mod source;

pub use batch::{Batch, Stream};
pub use source::{ClipLengths, Source, Split};
