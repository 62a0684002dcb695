//! Opening a camera, and reading it.

use nokhwa::NokhwaError;
use nokhwa::utils::{CameraIndex, RequestedFormat, RequestedFormatType};
use v4l::Device;

use crate::device::clock::SessionClock;
use crate::device::info::{DeviceKind, select};
use crate::device::picture::{PixelFormat, RawPicture};
use crate::device::source::PictureStream;
use crate::error::{CaptureError, Result};
use crate::quiet::quietly;

use super::CameraRequest;
use super::format::{Preset, preset};
use super::list::list;

/// The name that stands for the only camera there is.
const AUTO: &str = "auto";

/// The error of a refused step.
pub(super) fn refused(device: &str, action: &'static str, reason: String, remedy: &'static str) -> CaptureError {
    CaptureError::Device { kind: DeviceKind::Camera, device: device.into(), action, reason, remedy }
}

/// The system's error, with what to do.
pub(super) fn system_fault(device: &str, action: &'static str, error: &std::io::Error) -> CaptureError {
    refused(device, action, error.to_string(), remedy(&error.to_string()))
}

fn remedy(text: &str) -> &'static str {
    // nokhwa gives texts only; the number stands in all of them.
    if text.contains("os error 13") {
        "add the user to the group video"
    } else if text.contains("os error 16") {
        "end the program that uses it (`fuser -v /dev/video*`)"
    } else if text.contains("os error 19") || text.contains("os error 2") || text.contains("os error 6") {
        "plug it in; `mien devices` lists what there is"
    } else {
        "check the cable; `mien doctor` says more"
    }
}

fn fault(device: &str, action: &'static str, error: &NokhwaError) -> CaptureError {
    let text = error.to_string();
    let remedy = remedy(&text);
    refused(device, action, text, remedy)
}

pub(super) fn open(request: &CameraRequest, clock: SessionClock) -> Result<Box<dyn PictureStream>> {
    let opened = quietly(|| {
        let (index, name) = find(&request.device)?;
        let device = Device::new(index).map_err(|e| system_fault(&name, "open it", &e))?;
        let Preset { format, pixels } = preset(&device, &name, request)?;
        drop(device);
        let exact = RequestedFormat::with_formats(RequestedFormatType::Exact(format), WANTED);
        let index = CameraIndex::Index(u32::try_from(index).unwrap_or(u32::MAX));
        let mut camera = nokhwa::Camera::new(index, exact).map_err(|e| fault(&name, "open it", &e))?;
        camera.open_stream().map_err(|e| fault(&name, "start it", &e))?;
        Ok(Box::new(OpenCamera { camera: Some(camera), name, pixels, clock }) as Box<dyn PictureStream>)
    });
    opened.unwrap_or_else(|_| {
        let reason = "the camera library broke down".into();
        Err(refused(&request.device, "open it", reason, "check the cable; `mien doctor` says more"))
    })
}

/// Every format that can be decoded.
const WANTED: &[nokhwa::utils::FrameFormat] = &[
    nokhwa::utils::FrameFormat::MJPEG,
    nokhwa::utils::FrameFormat::YUYV,
    nokhwa::utils::FrameFormat::NV12,
    nokhwa::utils::FrameFormat::RAWRGB,
    nokhwa::utils::FrameFormat::RAWBGR,
];

/// The node's number and what to call the camera.
fn find(wanted: &str) -> Result<(usize, String)> {
    let nodes = list();
    let infos: Vec<_> = nodes.iter().map(|node| node.info.clone()).collect();
    let chosen = match (wanted, infos.as_slice()) {
        (AUTO, [only]) => only,
        (AUTO, [_, _, ..]) => {
            let found = infos.iter().map(|i| format!("{} ({})", i.id, i.name)).collect::<Vec<_>>().join(", ");
            return Err(CaptureError::DeviceAmbiguous { kind: DeviceKind::Camera, wanted: wanted.into(), found });
        }
        _ => select(&infos, DeviceKind::Camera, wanted)?,
    };
    let node = nodes.iter().find(|node| node.info.id == chosen.id);
    let name = format!("{} ({})", chosen.id, chosen.name);
    node.map(|node| (node.index, name)).ok_or_else(|| {
        refused(wanted, "find it", "it went away".into(), "plug it in; `mien devices` lists what there is")
    })
}

struct OpenCamera {
    camera: Option<nokhwa::Camera>,
    name: String,
    pixels: PixelFormat,
    clock: SessionClock,
}

impl PictureStream for OpenCamera {
    fn describe(&self) -> String {
        let format = self.camera.as_ref().map(|c| c.camera_format().to_string()).unwrap_or_default();
        format!("{}, {format}", self.name)
    }

    fn next(&mut self) -> Result<RawPicture> {
        let gone = || refused(&self.name, "read it", "it is closed".into(), "open it again");
        let camera = self.camera.as_mut().ok_or_else(gone)?;
        let read = quietly(|| camera.frame());
        let buffer = match read {
            Ok(Ok(buffer)) => buffer,
            Ok(Err(e)) => return Err(fault(&self.name, "read it", &e)),
            Err(_) => {
                let reason = "the camera library broke down".into();
                return Err(refused(&self.name, "read it", reason, "check the cable"));
            }
        };
        let size = buffer.resolution();
        Ok(RawPicture {
            format: self.pixels,
            width: size.width(),
            height: size.height(),
            bytes: buffer.buffer().to_vec(),
            time: self.clock.now(),
        })
    }
}

impl Drop for OpenCamera {
    fn drop(&mut self) {
        // The library panics when closing fails with anything but "gone".
        let camera = self.camera.take();
        let _ = quietly(move || drop(camera));
    }
}
