//! `mien-train extract` as a user runs it: what it extracts is what a device fuses, and nothing that stops it is taken
//! for an end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod device;
mod faults;
mod material;
mod resume;
mod shards;
