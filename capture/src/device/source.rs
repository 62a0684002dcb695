//! What a live device must do.

use crate::error::{CaptureError, Result};

use super::picture::RawPicture;
use super::ring::SoundSink;

/// A microphone, or what stands for one.
pub trait SoundDevice: Send + Sync {
    /// What is opened, for messages: the configured name, or the id where it is known.
    fn label(&self) -> String;

    /// Finds the device, opens it and starts it; its sound goes to `sink` until the stream is dropped.
    ///
    /// Called on a thread of its own, where it may block as long as the driver does.
    ///
    /// # Errors
    /// A [`CaptureError`] that names the device and says what to do.
    fn open(&self, sink: SoundSink) -> Result<Box<dyn SoundStream>>;
}

/// An open microphone; dropping it closes the device. Stays on the thread that opened it.
pub trait SoundStream {
    /// The chosen device and format, for people.
    fn describe(&self) -> String;

    /// The fault that ended the stream, if one did. Gaps that heal by themselves (overruns) are no faults.
    fn fault(&mut self) -> Option<CaptureError>;
}

/// A camera, or what stands for one.
pub trait PictureDevice: Send + Sync {
    /// What is opened, for messages: the configured name, or the id where it is known.
    fn label(&self) -> String;

    /// Finds the device, opens it and starts it.
    ///
    /// Called on a thread of its own, where it may block as long as the driver does.
    ///
    /// # Errors
    /// A [`CaptureError`] that names the device and says what to do.
    fn open(&self) -> Result<Box<dyn PictureStream>>;
}

/// An open camera; dropping it closes the device. Stays on the thread that opened it.
pub trait PictureStream {
    /// The chosen device and format, for people.
    fn describe(&self) -> String;

    /// The next picture. Blocks until the driver has one, which may be for ever.
    ///
    /// # Errors
    /// A [`CaptureError`] when the device is gone; the stream is of no more use then.
    fn next(&mut self) -> Result<RawPicture>;
}
