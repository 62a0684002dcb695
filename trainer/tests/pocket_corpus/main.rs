//! `mien-train pocket` as a user runs it, and what its clips carry, held against measurements of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod clips;
mod extracted;
mod faces;
mod faults;
mod grammar;
mod material;
mod prosody;
mod resume;
