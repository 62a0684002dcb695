//! Cameras.

#[cfg(all(feature = "camera", target_os = "linux"))]
mod format;
#[cfg(all(feature = "camera", target_os = "linux"))]
mod list;
#[cfg(all(feature = "camera", target_os = "linux"))]
mod open;

use crate::error::Result;

use super::clock::SessionClock;
use super::info::DeviceInfo;
use super::picture::PixelFormat;
use super::source::{PictureDevice, PictureStream};

/// Which camera, and how it is to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraRequest {
    /// Its id, its whole name, its path, or "auto" for the only one there is.
    pub device: String,
    /// Pixels in a row; the nearest size that the camera offers is taken.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Pictures per second.
    pub fps: u32,
    /// The format to insist on; the first usable one where `None`.
    pub format: Option<PixelFormat>,
}

/// A camera of the system.
#[derive(Clone, Debug)]
pub struct Camera {
    request: CameraRequest,
    clock: SessionClock,
}

impl Camera {
    /// The camera that `request` names; nothing is opened yet. Pictures get their times from `clock`.
    #[must_use]
    pub fn new(request: CameraRequest, clock: SessionClock) -> Self {
        Self { request, clock }
    }
}

impl PictureDevice for Camera {
    fn label(&self) -> String {
        self.request.device.clone()
    }

    #[cfg(all(feature = "camera", target_os = "linux"))]
    fn open(&self) -> Result<Box<dyn PictureStream>> {
        open::open(&self.request, self.clock)
    }

    #[cfg(not(all(feature = "camera", target_os = "linux")))]
    fn open(&self) -> Result<Box<dyn PictureStream>> {
        let _ = self.clock;
        Err(crate::error::CaptureError::Device {
            kind: super::info::DeviceKind::Camera,
            device: self.label(),
            action: "open it",
            reason: "this program was built without cameras".into(),
            remedy: "build it for Linux with the feature camera",
        })
    }
}

/// The cameras that the system lists; none in a build without cameras.
///
/// # Errors
/// None at present; a camera that cannot be asked is listed with its trouble.
pub fn list() -> Result<Vec<DeviceInfo>> {
    #[cfg(all(feature = "camera", target_os = "linux"))]
    return Ok(list::list().into_iter().map(|node| node.info).collect());
    #[cfg(not(all(feature = "camera", target_os = "linux")))]
    Ok(Vec::new())
}
