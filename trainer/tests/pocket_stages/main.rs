//! The stages of the pocket world on a corpus of a few clips: they learn, can be killed, refuse what was changed, and what
//! they write runs on the device.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bundles;
mod device;
mod killed;
mod learned;
mod material;
mod projector;
mod refused;
