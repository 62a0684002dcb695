//! Published checkpoints: which network a file is of, and what of it is used.
//!
//! [`Kind`] tells networks apart by the names of their tensors, so that a file given in another one's place is refused
//! with a sentence instead of with a missing tensor. [`Contents`] counts what a network takes out of a file and groups
//! what it leaves, each group with its reason.

mod contents;
mod kind;
mod unused;

pub use contents::{Contents, Ignored};
pub use kind::Kind;
