//! Live devices: microphones and cameras behind two small traits, and the ring between an audio callback and the program.
//!
//! A device is opened and read on a thread that the program can abandon, because drivers may block for ever. What comes
//! out is the same whatever the device is: [`SoundBlock`]s through a [`SoundReader`], [`RawPicture`]s from a
//! [`PictureStream`], all with times of one [`SessionClock`].

pub mod camera;
mod clock;
mod convert;
mod info;
pub mod looped;
pub mod microphone;
mod picture;
mod ring;
pub mod sound_server;
mod source;

pub use clock::SessionClock;
pub use info::{DeviceInfo, DeviceKind, DeviceState, select};
pub use picture::{PixelFormat, RawPicture};
pub use ring::{
    BLOCK_SAMPLES, MOST_CHANNELS, RING_BLOCKS, SoundBlock, SoundCounters, SoundLender, SoundReader, SoundSink,
    sound_ring,
};
pub use source::{PictureDevice, PictureStream, SoundDevice, SoundStream};
