//! How it is said: voices, what a valence does to them, and the sound.

pub mod espeak;
pub mod prosody;
pub mod sound;
pub mod voices;
