//! Bundles on a disk where programs are killed, files replaced under the reader, and addresses limited.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(target_os = "linux")]

mod changes;
mod kills;
mod limits;
mod place;
