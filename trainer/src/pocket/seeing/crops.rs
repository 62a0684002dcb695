//! Faces of clips as the device finds and cuts them.

use std::sync::atomic::{AtomicUsize, Ordering};

use mien_capture::{CaptureError, file};
use mien_models::face::{
    CropSettings, FaceFinder, FaceSettings, FaceTracker, TrackSettings, crop_face, detector_model,
};
use mien_runtime::RuntimeError;
use rayon::prelude::*;

use super::super::clips::Clip;
use super::STAGE;
use crate::course::{Tell, Told};
use crate::{Result, TrainerError};

/// A face, and what it shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    /// [3, 224, 224], red, green, blue: a crop is made of bytes, so nothing is lost.
    crop: Vec<u8>,
    /// Hidden valence of the clip's face.
    pub(super) valence: f64,
}

/// Crops of `pictures` pictures of each clip, evenly spread; fewer where there is no face. The finder sees every
/// picture before, as on a device.
pub(super) fn find(clips: &[&Clip], pictures: usize, tell: Tell<'_>) -> Result<Vec<Seen>> {
    let (total, done) = (clips.len(), AtomicUsize::new(0));
    // A finder belongs to the thread that makes it, and its model takes a moment to read.
    let stretch = clips.len().div_ceil(2 * rayon::current_num_threads()).max(1);
    let of = |clips: &[&Clip]| {
        let finder = FaceFinder::from_bytes(detector_model().bytes, FaceSettings::default())?;
        let mut tracker = FaceTracker::new(finder, TrackSettings::default())?;
        let mut seen = Vec::new();
        for clip in clips {
            seen.extend(of_clip(clip, pictures, &mut tracker)?);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            tell(Told::Prepares { stage: STAGE, what: "faces found", done, total });
        }
        Ok::<_, TrainerError>(seen)
    };
    let stretches: Vec<Vec<Seen>> = clips.par_chunks(stretch).map(of).collect::<Result<_>>()?;
    Ok(stretches.into_iter().flatten().collect())
}

fn of_clip(clip: &Clip, wanted: usize, tracker: &mut FaceTracker) -> Result<Vec<Seen>> {
    let failed = |e: CaptureError| TrainerError::from(RuntimeError::from(e));
    let Some(pictures) = file::open(&clip.path).map_err(failed)?.pictures else { return Ok(Vec::new()) };
    let count = pictures.count();
    // The middle of each of so many equal parts.
    let chosen: Vec<usize> = (0..wanted).map(|i| (2 * i + 1) * count / (2 * wanted.max(1))).collect();
    tracker.reset();
    let mut seen = Vec::new();
    for (number, frame) in pictures.frames().enumerate() {
        let frame = frame.map_err(failed)?;
        let face = tracker.observe(&frame);
        if let Some(face) = face.filter(|_| chosen.contains(&number)) {
            let crop = crop_face(&frame, &face, &CropSettings::default())?;
            let bytes = crop.data().iter().map(|value| (value * 255.0).round() as u8).collect();
            seen.push(Seen { crop: bytes, valence: clip.face });
        }
    }
    Ok(seen)
}

/// Pixels of `faces` [N, 3, 224, 224] as the network takes them.
pub(super) fn pixels(faces: &[&Seen]) -> Vec<f32> {
    faces.iter().flat_map(|face| face.crop.iter().map(|&byte| f32::from(byte) / 255.0)).collect()
}
