//! Sound and pictures in.
//!
//! The payload types are the same whatever the source is: [`AudioClip`] (mono samples at a [`SampleRate`]),
//! [`RgbFrame`] (one picture with its [`Timestamp`]) and [`Span`] (a stretch of the source's time). All times count
//! from the start of the source. [`file::open`] reads recordings: sound files, mp4 films, folders of pictures and
//! single pictures. [`to_rate`] brings a clip to the rate that an encoder wants. [`quietly`] stands between the
//! program and libraries that panic on hostile content.
//!
//! ```no_run
//! use mien_capture::{SampleRate, file, to_rate};
//!
//! # fn main() -> mien_capture::Result<()> {
//! let media = file::open("interview.mp4".as_ref())?;
//! if let Some(sound) = media.audio {
//!     let sound = to_rate(sound, SampleRate::HZ_16000)?;
//!     println!("{:.2} s of sound", sound.duration_s());
//! }
//! if let Some(pictures) = media.pictures {
//!     for frame in pictures.frames() {
//!         let frame = frame?;
//!         println!("{:.3} s: {} x {}", frame.time().as_secs_f64(), frame.width(), frame.height());
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod audio;
pub mod device;
mod error;
pub mod file;
mod one_line;
mod quiet;
mod rate;
pub mod regular;
mod resample;
mod stream_resample;
mod time;
mod video;

pub use audio::AudioClip;
pub use device::SessionClock;
pub use error::{CaptureError, ErrorKind, Result};
pub use file::{Frames, Media, Pictures};
pub use one_line::one_line;
pub use quiet::quietly;
pub use rate::SampleRate;
pub use resample::to_rate;
pub use stream_resample::StreamResampler;
pub use time::{Span, Timestamp};
pub use video::RgbFrame;
