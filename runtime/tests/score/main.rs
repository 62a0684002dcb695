//! The device program as its users meet it: the real binary on real files, judged by output, exit code and messages.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_input;
mod bundles;
mod demo;
mod determinism;
#[path = "../dry/mod.rs"]
mod dry;
mod material;
mod modes;
mod rungs;
mod statement;
mod stdin;
