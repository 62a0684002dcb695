//! Recordings in, payloads out: real files, made here by hand or by the system's ffmpeg.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod budget;
mod channels;
mod containers;
mod damage;
mod film;
mod folder;
mod hostile;
mod material;
mod ogg;
mod orientation;
mod payload;
mod pictures;
mod quiet;
mod resampling;
mod sound;
mod tracks;
mod wav_dialects;
mod webm;
