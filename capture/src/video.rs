//! Pictures.

use crate::error::{CaptureError, Result};
use crate::time::Timestamp;

/// One picture: interleaved RGB, 8 bits a channel, rows from the top, shape [height, width, 3], range 0..=255.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbFrame {
    width: u32,
    height: u32,
    data: Vec<u8>,
    time: Timestamp,
}

impl RgbFrame {
    /// A picture of `width` x `height` pixels shown at `time`. The pixels are moved, not copied.
    ///
    /// # Errors
    /// [`CaptureError::InvalidFrame`] if a side is zero or `data` does not hold 3 x width x height bytes.
    pub fn new(width: u32, height: u32, data: Vec<u8>, time: Timestamp) -> Result<Self> {
        let expected = (u64::from(width) * u64::from(height)).saturating_mul(3);
        if expected == 0 || data.len() as u64 != expected {
            return Err(CaptureError::InvalidFrame { width, height, expected, found: data.len() as u64 });
        }
        Ok(Self { width, height, data, time })
    }

    /// Pixels in a row.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The pixels, shape [height, width, 3].
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Gives the pixels away, shape [height, width, 3].
    #[must_use]
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// When it is shown.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// The brightness of each pixel, shape [height, width], range 0..=255: 0.299 R + 0.587 G + 0.114 B (BT.601),
    /// rounded.
    #[must_use]
    pub fn luma(&self) -> Vec<u8> {
        let brightness = |pixel: &[u8; 3]| {
            let [r, g, b] = pixel.map(u32::from);
            ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8
        };
        self.data.as_chunks::<3>().0.iter().map(brightness).collect()
    }
}

impl std::fmt::Debug for RgbFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RgbFrame({} x {} at {} s)", self.width, self.height, self.time.as_secs_f64())
    }
}
