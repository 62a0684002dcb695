//! Microphones.

#[cfg(feature = "microphone")]
mod cards;
#[cfg(feature = "microphone")]
mod format;
#[cfg(feature = "microphone")]
mod list;
#[cfg(feature = "microphone")]
mod open;

use std::time::Duration;

use crate::error::Result;

use super::info::DeviceInfo;
use super::ring::SoundSink;
use super::source::{SoundDevice, SoundStream};

#[cfg(feature = "microphone")]
pub use format::data_callback;

/// Which microphone, and how it is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MicrophoneRequest {
    /// Its id, its whole name, or "default".
    pub device: String,
    /// Samples per second to insist on; the device's own where `None`.
    pub rate_hz: Option<u32>,
    /// Length of the driver's buffer to ask for.
    pub buffer: Duration,
}

/// A microphone of the system.
#[derive(Clone, Debug)]
pub struct Microphone {
    request: MicrophoneRequest,
    channels: Vec<u16>,
}

impl Microphone {
    /// The microphone that `request` names; nothing is opened yet.
    #[must_use]
    pub fn new(request: MicrophoneRequest) -> Self {
        Self { request, channels: Vec::new() }
    }

    /// Averages these channels alone, counted from 0; all of them where `channels` is empty.
    #[must_use]
    pub fn with_channels(self, channels: Vec<u16>) -> Self {
        Self { channels, ..self }
    }
}

impl SoundDevice for Microphone {
    fn label(&self) -> String {
        self.request.device.clone()
    }

    #[cfg(feature = "microphone")]
    fn open(&self, sink: SoundSink) -> Result<Box<dyn SoundStream>> {
        open::open(&self.request, &self.channels, sink)
    }

    #[cfg(not(feature = "microphone"))]
    fn open(&self, _sink: SoundSink) -> Result<Box<dyn SoundStream>> {
        Err(crate::error::CaptureError::Device {
            kind: super::info::DeviceKind::Microphone,
            device: self.label(),
            action: "open it",
            reason: "this program was built without microphones".into(),
            remedy: "build it with the feature microphone",
        })
    }
}

/// The microphones that the system lists; none in a build without the feature `microphone`.
///
/// # Errors
/// [`crate::CaptureError::Device`] when the sound system itself does not answer.
pub fn list() -> Result<Vec<DeviceInfo>> {
    #[cfg(feature = "microphone")]
    return list::list();
    #[cfg(not(feature = "microphone"))]
    Ok(Vec::new())
}
