//! What the whole-system suites share.

// A suite stops at what it cannot read.
#![allow(clippy::panic)]

mod golden;

pub use golden::{Golden, absolute_difference, golden_files, number, relative_difference};
