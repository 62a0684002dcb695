//! numpy's arrays: element types, `.npy` headers, and arrays inside pickles (read as data, never executed).
//!
//! A crate for `.npy` files would not read the arrays inside pickles, which need the same element types and orders; and
//! the one there is hands headers to a parser that recurses as deep as the file asks.

mod dtype;
mod elements;
mod header;
mod objects;
mod write;

pub(crate) use dtype::{Dtype, Kind};
pub(crate) use elements::{Elements, row_major};
pub(crate) use header::{Header, LONGEST_HEADER};
pub(crate) use objects::Objects;
pub(crate) use write::npy_bytes;
