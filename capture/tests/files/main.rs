//! Recordings in, payloads out: real files, made here by hand or by the system's ffmpeg.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod damage;
mod film;
mod folder;
mod hostile;
mod material;
mod orientation;
mod payload;
mod pictures;
mod quiet;
mod resampling;
mod sound;
mod tracks;
