//! The live pipeline as its users meet it: the real binary on real drivers, servers and files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// Another test program uses the rest of it.
mod canary;
#[allow(dead_code)]
#[path = "../live_control/child.rs"]
mod child;
#[path = "../dry/mod.rs"]
mod dry;
mod channels;
mod faults;
mod hung;
mod microphone;
mod mute;
mod offline;
mod pipewire;
mod pulse;
mod readers;
mod recording;
mod reload;
mod remote;
mod restarts;
mod rungs;
mod session;
mod sleeper;
mod speech;
mod stuck;

/// Far longer than anything here takes, on any machine.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);
