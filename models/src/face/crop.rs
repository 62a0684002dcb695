//! The face as MA-Net's input.

use mien_capture::RgbFrame;
use serde::{Deserialize, Serialize};

use super::finder::FaceBox;
use crate::tensor::Tensor;
use crate::{ModelError, Result};

/// Side of the crop in pixels: the input of MA-Net (spec section 2.2).
pub const CROP_SIDE: usize = 224;
/// Channels of a pixel.
const RGB: usize = 3;
/// Largest square that is cut out, pixels of the picture.
const LARGEST_SQUARE: i64 = 1 << 14;
/// Fraction bits of a resampling weight.
const WEIGHT_BITS: u32 = 22;

/// How a face is cut out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CropSettings {
    /// Share of the box's longer side by which the square is larger, half of it on every side; 0..=2.
    pub margin: f64,
}

impl Default for CropSettings {
    fn default() -> Self {
        Self { margin: 0.2 }
    }
}

impl CropSettings {
    /// Whether the margin is a number in range.
    ///
    /// # Errors
    /// [`ModelError::Config`] naming the range and the value.
    pub fn validate(&self) -> Result<()> {
        if (0.0..=2.0).contains(&self.margin) {
            return Ok(());
        }
        Err(ModelError::Config {
            what: "face crop: margin".into(),
            reason: format!("expected 0 to 2, found {}", self.margin),
        })
    }
}

/// Cuts the square around `face` out of `frame`: [3, 224, 224], channels red, green, blue, range 0..=1.
///
/// The square has the box's centre; what lies outside the picture is black. It is resized by a triangle filter whose
/// support grows with the reduction, horizontally and then vertically, each rounded to 8 bits: the bytes are those of
/// Pillow's `Image.resize((224, 224), BILINEAR)`, which the authors' preprocessing uses; then each byte is divided by
/// 255, and no mean is subtracted.
///
/// What differs from the authors' crops (spec section 2.2): theirs are 112 x 112 pictures of OpenFace 2, turned and
/// scaled so that the landmarks of the face come to rest at fixed places, with everything outside the face's outline
/// black. A box detector gives neither the roll of the head nor its outline, so here the head keeps its tilt, hair and
/// background stay visible, and the face is larger or smaller by the jitter of the box.
///
/// # Errors
/// [`ModelError::Config`] for settings out of range, [`ModelError::Contract`] for an empty box or one whose square is
/// larger than 16384 pixels.
pub fn crop_face(frame: &RgbFrame, face: &FaceBox, settings: &CropSettings) -> Result<Tensor> {
    settings.validate()?;
    let square = Square::around(face, settings.margin)?;
    let weights = Weights::triangle(square.side);
    let (width, height) = (i64::from(frame.width()), i64::from(frame.height()));
    let row_bytes = frame.width() as usize * RGB;

    // Columns first, as Pillow does, and only in rows that lie in the picture: [rows, 224, 3].
    let (first_row, last_row) = (square.top.clamp(0, height), (square.top + square.side as i64).clamp(0, height));
    let narrowed_row = CROP_SIDE * RGB;
    let mut narrowed = vec![0u8; (last_row - first_row) as usize * narrowed_row];
    for (row, target) in (first_row..last_row).zip(narrowed.chunks_exact_mut(narrowed_row)) {
        let source = &frame.data()[row as usize * row_bytes..][..row_bytes];
        for (column, pixel) in target.chunks_exact_mut(RGB).enumerate() {
            let sums = weights.sum(column, |at| {
                let x = square.left + at as i64;
                (0..width).contains(&x).then(|| &source[x as usize * RGB..][..RGB])
            });
            pixel.copy_from_slice(&sums);
        }
    }

    let plane = CROP_SIDE * CROP_SIDE;
    let mut crop = vec![0f32; RGB * plane];
    for row in 0..CROP_SIDE {
        for column in 0..CROP_SIDE {
            let sums = weights.sum(row, |at| {
                let y = square.top + at as i64;
                (first_row..last_row)
                    .contains(&y)
                    .then(|| &narrowed[(y - first_row) as usize * narrowed_row + column * RGB..][..RGB])
            });
            for (channel, byte) in sums.into_iter().enumerate() {
                crop[channel * plane + row * CROP_SIDE + column] = f32::from(byte) / 255.0;
            }
        }
    }
    Tensor::new([RGB, CROP_SIDE, CROP_SIDE], crop)
}

/// The part of the plane that becomes the crop, in pixels of the picture.
struct Square {
    left: i64,
    top: i64,
    side: usize,
}

impl Square {
    fn around(face: &FaceBox, margin: f64) -> Result<Self> {
        let longer = face.width.max(face.height);
        let side = (f64::from(longer) * (1.0 + margin)).round() as i64;
        if face.width == 0 || face.height == 0 || side > LARGEST_SQUARE {
            return Err(ModelError::Contract {
                model: "face crop".into(),
                tensor: "box".into(),
                expected: format!("sides of at least 1 and a square of at most {LARGEST_SQUARE} pixels"),
                found: format!("{} x {}", face.width, face.height),
            });
        }
        // Twice the centre is an integer; an odd difference rounds towards the upper left.
        let start = |at: i32, size: u32| (2 * i64::from(at) + i64::from(size) - side).div_euclid(2);
        Ok(Self { left: start(face.x, face.width), top: start(face.y, face.height), side: side as usize })
    }
}

/// For each target element the source elements that it is made of.
struct Weights {
    /// First source element of each target element.
    starts: Vec<usize>,
    /// Weights of the source elements from there on, in units of 2^-22.
    taps: Vec<Vec<i32>>,
}

impl Weights {
    /// A triangle of the width of two target elements, or of two source elements where the picture is enlarged.
    fn triangle(source: usize) -> Self {
        let scale = source as f64 / CROP_SIDE as f64;
        let support = scale.max(1.0);
        let (starts, taps) = (0..CROP_SIDE)
            .map(|target| {
                let centre = (target as f64 + 0.5) * scale;
                let start = (centre - support + 0.5).max(0.0) as usize;
                let end = ((centre + support + 0.5) as usize).min(source);
                let heights: Vec<f64> =
                    (start..end).map(|at| (1.0 - ((at as f64 - centre + 0.5) / support).abs()).max(0.0)).collect();
                let total: f64 = heights.iter().sum();
                let unit = f64::from(1u32 << WEIGHT_BITS);
                (start, heights.into_iter().map(|h| (h / total * unit + 0.5) as i32).collect())
            })
            .unzip();
        Self { starts, taps }
    }

    /// The weighted sum of pixels for target element `target`, rounded; `pixel` gives none where the picture ends.
    fn sum<'a>(&self, target: usize, pixel: impl Fn(usize) -> Option<&'a [u8]>) -> [u8; RGB] {
        let mut sums = [1i64 << (WEIGHT_BITS - 1); RGB];
        for (i, &weight) in self.taps[target].iter().enumerate() {
            for (sum, &value) in sums.iter_mut().zip(pixel(self.starts[target] + i).unwrap_or_default()) {
                *sum += i64::from(weight) * i64::from(value);
            }
        }
        sums.map(|sum| (sum >> WEIGHT_BITS).clamp(0, 255) as u8)
    }
}
