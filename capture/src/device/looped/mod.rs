//! Recordings that stand for devices: played in real time, again and again.

mod channels;
mod pictures;
mod sound;

pub use pictures::LoopedPictures;
pub use sound::LoopedSound;
