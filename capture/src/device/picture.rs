//! A picture as a camera delivers it.

use serde::{Deserialize, Serialize};

use crate::error::{CaptureError, Result};
use crate::quiet::quietly;
use crate::time::Timestamp;
use crate::video::RgbFrame;

use super::convert;

/// How the bytes of a picture are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PixelFormat {
    /// A JPEG file, perhaps followed by rubbish.
    Mjpeg,
    /// Y U Y V, two pixels in four bytes, BT.601 limited range.
    Yuyv,
    /// A plane of Y, then one of interleaved U V at half the size, BT.601 limited range.
    Nv12,
    /// R G B, three bytes a pixel.
    Rgb,
    /// B G R, three bytes a pixel.
    Bgr,
    /// Brightness, one byte a pixel.
    Grey,
}

impl PixelFormat {
    /// Its usual name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mjpeg => "MJPEG",
            Self::Yuyv => "YUYV",
            Self::Nv12 => "NV12",
            Self::Rgb => "RGB",
            Self::Bgr => "BGR",
            Self::Grey => "grey",
        }
    }
}

/// A picture not yet decoded: what is dropped on the way costs no decoding.
#[derive(Clone)]
pub struct RawPicture {
    /// How to read `bytes`.
    pub format: PixelFormat,
    /// Pixels in a row, as the device was set.
    pub width: u32,
    /// Rows, as the device was set.
    pub height: u32,
    /// The picture; may be longer than the format needs.
    pub bytes: Vec<u8>,
    /// When it was taken, in the session's time.
    pub time: Timestamp,
}

impl RawPicture {
    /// Decodes the picture.
    ///
    /// # Errors
    /// [`CaptureError::Picture`] for bytes that are too few or no picture, or of other sides than the device was set to.
    pub fn decode(&self) -> Result<RgbFrame> {
        let (width, height) = (self.width as usize, self.height as usize);
        let fault = |reason: String| CaptureError::Picture {
            format: self.format.name(),
            width: self.width,
            height: self.height,
            reason,
        };
        let bytes = self.bytes.as_slice();
        let rgb = match self.format {
            PixelFormat::Mjpeg => quietly(|| convert::mjpeg(bytes, width, height))
                .unwrap_or_else(|_| Err("the JPEG decoder broke down on it".into())),
            PixelFormat::Yuyv => convert::yuyv(bytes, width, height),
            PixelFormat::Nv12 => convert::nv12(bytes, width, height),
            PixelFormat::Rgb => convert::rgb(bytes, width, height),
            PixelFormat::Bgr => convert::bgr(bytes, width, height),
            PixelFormat::Grey => convert::grey(bytes, width, height),
        };
        RgbFrame::new(self.width, self.height, rgb.map_err(fault)?, self.time)
    }
}
