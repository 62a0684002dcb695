//! Bringing a camera into a state that nokhwa can open.
//!
//! nokhwa reads the driver's present state before it sets anything, and gives up on intervals like 2/25 s and on pixel
//! formats that it does not know, whoever left them there. So format and interval are set first, through `v4l`.

use nokhwa::utils::{CameraFormat, FrameFormat, Resolution};
use v4l::Device;
use v4l::format::FourCC;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture;
use v4l::video::capture::Parameters;

use crate::device::picture::PixelFormat;
use crate::error::Result;

use super::CameraRequest;
use super::open::{refused, system_fault};

/// Formats that can be decoded, the least work for the bus first.
const FORMATS: [(&[u8; 4], FrameFormat, PixelFormat); 5] = [
    (b"MJPG", FrameFormat::MJPEG, PixelFormat::Mjpeg),
    (b"YUYV", FrameFormat::YUYV, PixelFormat::Yuyv),
    (b"NV12", FrameFormat::NV12, PixelFormat::Nv12),
    (b"RGB3", FrameFormat::RAWRGB, PixelFormat::Rgb),
    (b"BGR3", FrameFormat::RAWBGR, PixelFormat::Bgr),
];

/// What the camera was set to.
pub(super) struct Preset {
    pub(super) format: CameraFormat,
    pub(super) pixels: PixelFormat,
}

/// Sets size, pixel format and interval, as near to `request` as the camera offers.
pub(super) fn preset(device: &Device, name: &str, request: &CameraRequest) -> Result<Preset> {
    let fault = |action| move |e: std::io::Error| system_fault(name, action, &e);
    let offered = device.enum_formats().map_err(fault("ask for its formats"))?;
    let usable = FORMATS.iter().filter(|(fourcc, _, pixels)| {
        offered.iter().any(|o| o.fourcc == FourCC::new(fourcc)) && request.format.is_none_or(|wanted| wanted == *pixels)
    });
    // The nearest size decides, then the order of the formats.
    let best = usable
        .enumerate()
        .filter_map(|(rank, entry)| {
            let (width, height) = nearest_size(device, FourCC::new(entry.0), request)?;
            Some(((distance(width, height, request), rank), (entry, width, height)))
        })
        .min_by_key(|(key, _)| *key)
        .map(|(_, found)| found);
    let Some(((fourcc, frame, pixels), width, height)) = best else {
        let offers: Vec<String> = offered.iter().map(|o| o.fourcc.to_string()).collect();
        let reason = format!(
            "it offers {}, expected {}",
            if offers.is_empty() { "no format".into() } else { offers.join(", ") },
            request.format.map_or("one of MJPG, YUYV, NV12, RGB3, BGR3".into(), |f| format!("{f:?}")),
        );
        return Err(refused(name, "open it", reason, "set camera.format to an offered one, or use another camera"));
    };
    let mut format = device.format().map_err(fault("ask for its format"))?;
    (format.width, format.height, format.fourcc) = (width, height, FourCC::new(fourcc));
    let format = device.set_format(&format).map_err(fault("set its format"))?;
    if format.fourcc != FourCC::new(fourcc) {
        let reason = format!("asked for {}, it stays at {}", FourCC::new(fourcc), format.fourcc);
        return Err(refused(name, "set its format", reason, "end the program that uses it (`fuser -v /dev/video*`)"));
    }
    // Cameras round to an interval that they have; one that is no whole number of pictures a second is asked anew.
    let mut fps = 0;
    for wanted in [request.fps, 30, 25, 15, 10, 5, 1] {
        let set = device.set_params(&Parameters::with_fps(wanted)).map_err(fault("set its rate"))?;
        if set.interval.numerator == 1 && set.interval.denominator > 0 {
            fps = set.interval.denominator;
            break;
        }
        if set.interval.numerator > 0 && set.interval.denominator.is_multiple_of(set.interval.numerator) {
            let whole = set.interval.denominator / set.interval.numerator;
            let again = device.set_params(&Parameters::with_fps(whole)).map_err(fault("set its rate"))?;
            if again.interval.numerator == 1 {
                fps = again.interval.denominator;
                break;
            }
        }
    }
    if fps == 0 {
        let reason = "it offers no whole number of pictures a second".into();
        return Err(refused(name, "set its rate", reason, "set another camera.width and camera.height"));
    }
    let format = CameraFormat::new(Resolution::new(format.width, format.height), *frame, fps);
    Ok(Preset { format, pixels: *pixels })
}

fn distance(width: u32, height: u32, request: &CameraRequest) -> u64 {
    u64::from(width.abs_diff(request.width)) + u64::from(height.abs_diff(request.height))
}

/// The offered size that is nearest to the wanted one.
fn nearest_size(device: &Device, fourcc: FourCC, request: &CameraRequest) -> Option<(u32, u32)> {
    let sizes = device.enum_framesizes(fourcc).ok()?;
    // Drivers that list no sizes take what they are given, or round it.
    if sizes.is_empty() {
        return Some((request.width, request.height));
    }
    sizes
        .into_iter()
        .map(|size| match size.size {
            FrameSizeEnum::Discrete(s) => (s.width, s.height),
            FrameSizeEnum::Stepwise(s) => (
                request.width.clamp(s.min_width, s.max_width.max(s.min_width)),
                request.height.clamp(s.min_height, s.max_height.max(s.min_height)),
            ),
        })
        .min_by_key(|&(width, height)| distance(width, height, request))
}
