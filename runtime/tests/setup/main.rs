//! Setting a device up, as an installer meets it: the real binary, judged by output and exit code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod doctor;
#[path = "../dry/mod.rs"]
mod dry;
mod odd_files;
#[path = "../live/pulse.rs"]
mod pulse;
mod room;
mod sound_server;
