//! Bundles: what a good one gives, and that no damage, no false manifest and no interruption passes unnoticed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod archive;
mod contents;
mod damage;
mod graphs;
mod manifest;
mod material;
mod writer;
