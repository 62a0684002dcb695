//! From corpora to batches.
//!
//! A corpus in some layout ([`authors`], ...) is read through [`corpus::Corpus`] and brought into a feature [`store`] by
//! [`import`]; the store is a [`Source`] of batches. [`planted`] is a corpus that needs no files.

pub mod authors;
pub mod batch;
pub mod check;
pub mod corpus;
pub mod id;
pub mod import;
pub mod info;
pub mod mmsa;
pub mod mosei;
pub mod npy;
mod numpy;
pub mod plain;
pub mod planted;
pub mod prefetch;
pub mod provenance;
pub mod source;
pub mod store;
pub(crate) mod table;

pub use batch::{Batch, Stream};
pub(crate) use numpy::npy_bytes;
pub use source::{ClipLengths, Source, Split};
