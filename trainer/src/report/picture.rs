//! Finished pictures.

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, RgbImage};

use crate::{Result, TrainerError};

/// A picture in the forms that a report needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// File name without its ending.
    pub name: String,
    /// What it shows, for people who read the page by ear.
    pub about: String,
    /// Lines and letters; none for a picture of many small squares, which is smaller as pixels.
    pub svg: Option<String>,
    /// Pixels, two to a point.
    pub png: Vec<u8>,
    /// Width and height in points.
    pub size: (u32, u32),
}

impl Picture {
    /// Name of its file of pixels.
    pub fn file(&self) -> String {
        format!("{}.png", self.name)
    }

    /// Its pixels as an address that holds them.
    pub fn data_address(&self) -> String {
        format!("data:image/png;base64,{}", STANDARD.encode(&self.png))
    }
}

/// A PNG file of RGB `pixels`, row-major, three bytes each.
///
/// # Errors
/// Report when there are more or fewer pixels than `size` says.
pub(super) fn png(name: &str, (width, height): (u32, u32), pixels: Vec<u8>) -> Result<Vec<u8>> {
    let image = RgbImage::from_raw(width, height, pixels)
        .ok_or_else(|| failed(name, format!("its pixels are not {width} x {height}")))?;
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).map_err(|e| failed(name, e))?;
    Ok(bytes.into_inner())
}

/// The error of a picture that could not be drawn.
pub(super) fn failed(name: &str, reason: impl std::fmt::Display) -> TrainerError {
    let reason = format!("the picture could not be drawn: {reason}");
    TrainerError::Report { path: format!("{name}.png").into(), reason }
}
