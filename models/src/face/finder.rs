//! Frontal faces in a picture.

use mien_capture::RgbFrame;
use serde::{Deserialize, Serialize};

use super::layout;
use super::shrink::area_average;
use crate::{ModelError, Result};

/// Side of the detector's window: the smallest face it can see, in pixels of the searched picture.
const WINDOW: usize = 40;

/// Where a face is, in pixels of the picture; a box at the border may reach outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaceBox {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Width, at least 1.
    pub width: u32,
    /// Height, at least 1.
    pub height: u32,
    /// The detector's confidence: a sum over merged windows, from the threshold up, not a probability.
    pub score: f32,
}

impl FaceBox {
    /// Pixels inside.
    #[must_use]
    pub fn area(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Intersection over union with `other`, 0..=1.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> f64 {
        let shared = |a: i32, a_size: u32, b: i32, b_size: u32| {
            let (a, b) = (i64::from(a), i64::from(b));
            ((a + i64::from(a_size)).min(b + i64::from(b_size)) - a.max(b)).max(0) as f64
        };
        let both =
            shared(self.x, self.width, other.x, other.width) * shared(self.y, self.height, other.y, other.height);
        let either = (self.area() + other.area()) as f64 - both;
        if either > 0.0 { both / either } else { 0.0 }
    }
}

/// How a picture is searched.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaceSettings {
    /// Longer side to which a larger picture is reduced before the search, pixels.
    ///
    /// The smallest face that is found is 40 pixels of the searched picture: with 320 x 240, a sixth of the height.
    pub long_side: u32,
    /// Shorter side likewise.
    pub short_side: u32,
    /// Least score of a face, above 0.
    pub threshold: f64,
    /// Size ratio of neighbouring pictures in the search pyramid, 0.5..=0.95.
    pub scale_factor: f32,
    /// Distance of neighbouring windows, pixels, 1..=16.
    pub step: u32,
}

impl Default for FaceSettings {
    fn default() -> Self {
        Self { long_side: 320, short_side: 240, threshold: 2.0, scale_factor: 0.8, step: 4 }
    }
}

impl FaceSettings {
    /// Whether the detector can work so; rustface panics on settings outside its own limits, which are wider.
    ///
    /// # Errors
    /// [`ModelError::Config`] naming the setting, the allowed range and the value.
    pub fn validate(&self) -> Result<()> {
        // rustface sums squares of pixels in u32 over a window's strip and pixels in i32 over the whole picture; up to this
        // side neither can overflow, whatever the picture.
        let sides = 40..=1600;
        let faults = [
            (sides.contains(&self.long_side), "long_side", "40 to 1600", f64::from(self.long_side)),
            (sides.contains(&self.short_side), "short_side", "40 to 1600", f64::from(self.short_side)),
            (self.short_side <= self.long_side, "short_side", "at most long_side", f64::from(self.short_side)),
            (self.threshold > 0.0 && self.threshold.is_finite(), "threshold", "a number above 0", self.threshold),
            ((0.5..=0.95).contains(&self.scale_factor), "scale_factor", "0.5 to 0.95", f64::from(self.scale_factor)),
            ((1..=16).contains(&self.step), "step", "1 to 16", f64::from(self.step)),
        ];
        match faults.into_iter().find(|(holds, ..)| !holds) {
            None => Ok(()),
            Some((_, key, expected, found)) => Err(ModelError::Config {
                what: format!("face search: {key}"),
                reason: format!("expected {expected}, found {found}"),
            }),
        }
    }
}

/// The frontal-face detector. It is neither `Send` nor `Sync`: make it on the thread that uses it.
pub struct FaceFinder {
    model: rustface::Model,
    detector: Box<dyn rustface::Detector>,
    settings: FaceSettings,
}

impl FaceFinder {
    /// A detector from the bytes of a bundle's model file.
    ///
    /// The bytes' layout is checked first, because rustface panics on, or reads memory by, what a damaged file says. The
    /// values of its weights cannot be judged: take the bytes from a bundle whose digests hold.
    ///
    /// # Errors
    /// [`ModelError::Format`] for a damaged file, [`ModelError::Config`] for settings out of range.
    pub fn from_bytes(bytes: &[u8], settings: FaceSettings) -> Result<Self> {
        settings.validate()?;
        let damaged = |reason: String| ModelError::Format {
            path: "face detector model".into(),
            format: "SeetaFace model",
            reason,
            fix: "reinstall the bundle",
        };
        layout::check(bytes).map_err(damaged)?;
        let model = rustface::read_model(bytes).map_err(|e| damaged(e.to_string()))?;
        Ok(Self { detector: detector(&model, &settings), model, settings })
    }

    /// The faces of a picture, the largest first; none in a picture with a side below 40 pixels after reduction.
    ///
    /// # Errors
    /// [`ModelError::Engine`] when the detector cannot finish this picture (extreme contrast overflows its integer
    /// features). The finder stays usable.
    pub fn find(&mut self, frame: &RgbFrame) -> Result<Vec<FaceBox>> {
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        let (columns, rows) = self.searched_size(width, height);
        if columns.min(rows) < WINDOW {
            return Ok(Vec::new());
        }
        let grey = area_average(&frame.luma(), width, height, (columns, rows));
        let picture = rustface::ImageData::new(&grey, columns as u32, rows as u32);
        // rustface checks its integer arithmetic by panicking where overflow checks are compiled in, and no condition on
        // a picture that could be tested beforehand rules that out.
        let found = mien_capture::quietly(|| self.detector.detect(&picture)).map_err(|_| {
            self.detector = detector(&self.model, &self.settings);
            ModelError::Engine {
                model: "face detector".into(),
                action: "search a picture",
                reason: format!("the picture at {} s is outside its number range", frame.time().as_secs_f64()),
            }
        })?;
        let mut boxes: Vec<FaceBox> =
            found.iter().filter_map(|face| enlarge(face, (width, columns), (height, rows))).collect();
        boxes.sort_by(|a, b| {
            let place = (a.y, a.x).cmp(&(b.y, b.x));
            b.area().cmp(&a.area()).then(b.score.total_cmp(&a.score)).then(place)
        });
        Ok(boxes)
    }

    /// Throws away what the last picture left in the detector.
    pub fn renew(&mut self) {
        self.detector = detector(&self.model, &self.settings);
    }

    /// Width and height of the searched picture: the same aspect, inside the settings' sides, never enlarged.
    fn searched_size(&self, width: usize, height: usize) -> (usize, usize) {
        let (long, short) = (self.settings.long_side as u64, self.settings.short_side as u64);
        let (w, h) = (width as u64, height as u64);
        let (most_w, most_h) = if w >= h { (long, short) } else { (short, long) };
        if w <= most_w && h <= most_h {
            (width, height)
        } else if w * most_h >= h * most_w {
            // The width binds.
            (most_w as usize, (h * most_w / w).max(1) as usize)
        } else {
            ((w * most_h / h).max(1) as usize, most_h as usize)
        }
    }
}

fn detector(model: &rustface::Model, settings: &FaceSettings) -> Box<dyn rustface::Detector> {
    let mut detector = rustface::create_detector_with_model(model.clone());
    detector.set_score_thresh(settings.threshold);
    detector.set_pyramid_scale_factor(settings.scale_factor);
    detector.set_slide_window_step(settings.step, settings.step);
    detector
}

/// A box of the searched picture in pixels of the whole one; each axis as (pixels there, pixels searched).
fn enlarge(face: &rustface::FaceInfo, x_axis: (usize, usize), y_axis: (usize, usize)) -> Option<FaceBox> {
    let scaled = |v: i64, (whole, searched): (usize, usize)| {
        let (whole, searched) = (whole as i64, searched as i64);
        v.checked_mul(whole).map(|v| (2 * v + searched).div_euclid(2 * searched))
    };
    let bbox = face.bbox();
    let found = FaceBox {
        x: scaled(bbox.x().into(), x_axis)?.try_into().ok()?,
        y: scaled(bbox.y().into(), y_axis)?.try_into().ok()?,
        width: scaled(bbox.width().into(), x_axis)?.try_into().ok()?,
        height: scaled(bbox.height().into(), y_axis)?.try_into().ok()?,
        score: face.score() as f32,
    };
    (found.width > 0 && found.height > 0).then_some(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::face::detector_model;

    #[test]
    fn the_searched_picture_keeps_the_aspect_inside_the_sides() {
        let finder = FaceFinder::from_bytes(detector_model().bytes, FaceSettings::default()).unwrap();
        for (size, searched) in [
            ((640, 480), (320, 240)),
            ((480, 640), (240, 320)),
            ((512, 512), (240, 240)),
            ((1920, 1080), (320, 180)),
            ((320, 240), (320, 240)),
            ((100, 90), (100, 90)),
            ((10_000, 3), (320, 1)),
        ] {
            assert_eq!(finder.searched_size(size.0, size.1), searched, "{size:?}");
        }
    }

    #[test]
    fn settings_that_rustface_panics_on_are_refused() {
        let good = FaceSettings::default();
        for (bad, key) in [
            (FaceSettings { threshold: 0.0, ..good }, "threshold"),
            (FaceSettings { threshold: f64::NAN, ..good }, "threshold"),
            (FaceSettings { step: 0, ..good }, "step"),
            (FaceSettings { scale_factor: 1.0, ..good }, "scale_factor"),
            (FaceSettings { scale_factor: f32::NAN, ..good }, "scale_factor"),
            (FaceSettings { long_side: 0, ..good }, "long_side"),
            (FaceSettings { short_side: 400, ..good }, "short_side"),
        ] {
            let Err(fault) = FaceFinder::from_bytes(detector_model().bytes, bad) else { panic!("{bad:?} accepted") };
            assert!(matches!(fault, ModelError::Config { .. }) && fault.to_string().contains(key), "{fault}");
        }
    }

    #[test]
    fn overlap_is_intersection_over_union() {
        let a = FaceBox { x: 0, y: 0, width: 10, height: 10, score: 1.0 };
        let b = FaceBox { x: 5, y: -5, ..a };
        assert_eq!(a.overlap(&a), 1.0);
        assert_eq!(a.overlap(&b), 25.0 / 175.0);
        assert_eq!(a.overlap(&FaceBox { x: 10, ..a }), 0.0);
    }
}
