//! From a configuration to devices that can be opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mien_capture::SessionClock;
use mien_capture::device::camera::{Camera, CameraRequest};
use mien_capture::device::looped::{LoopedPictures, LoopedSound};
use mien_capture::device::microphone::{Microphone, MicrophoneRequest};
use mien_capture::device::{PictureDevice, SoundDevice};

use crate::config::Config;

/// A device name that stands for a file, played in real time, again and again.
const FILE: &str = "file:";
/// Silence between two rounds of a file, so that each ends its utterance.
const PAUSE: Duration = Duration::from_millis(1_200);

/// The configured microphone; nothing is opened yet.
pub(crate) fn microphone(config: &Config) -> Arc<dyn SoundDevice> {
    let m = &config.microphone;
    let channels = m.channels.clone().unwrap_or_default();
    match m.device.strip_prefix(FILE) {
        Some(path) => Arc::new(LoopedSound::new(PathBuf::from(path), PAUSE).with_channels(channels)),
        None => {
            let request = MicrophoneRequest {
                device: m.device.clone(),
                rate_hz: m.rate_hz,
                buffer: Duration::from_millis(m.buffer_ms.into()),
            };
            Arc::new(Microphone::new(request).with_channels(channels))
        }
    }
}

/// The configured camera; nothing is opened yet.
pub(crate) fn camera(config: &Config, clock: SessionClock) -> Arc<dyn PictureDevice> {
    let c = &config.camera;
    match c.device.strip_prefix(FILE) {
        Some(path) => Arc::new(LoopedPictures::new(PathBuf::from(path), f64::from(c.fps), clock)),
        None => Arc::new(Camera::new(
            CameraRequest {
                device: c.device.clone(),
                width: c.width,
                height: c.height,
                fps: c.fps,
                format: c.format.pixel_format(),
            },
            clock,
        )),
    }
}
