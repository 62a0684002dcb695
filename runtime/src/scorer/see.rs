//! Seeing: pictures to face rows.

use std::panic::resume_unwind;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::Builder;

use mien_capture::{Frames, RgbFrame};
use mien_models::ModelError;
use mien_models::bundle::{Bundle, FaceSection, Role};
use mien_models::face::{CropSettings, FaceBox, FaceFinder, FaceTracker, crop_face};
use mien_models::manet::Manet;
use mien_models::tensor::Tensor;

use crate::{Result, RuntimeError};

/// Crops that wait while one becomes a row.
const AHEAD: usize = 2;

/// What an eye is made of. A detector belongs to the thread that makes it, so an eye is put together there.
pub(crate) struct Optics {
    detector: Vec<u8>,
    face: FaceSection,
    manet: Manet,
}

impl Optics {
    pub(super) fn open(bundle: &Bundle) -> Result<Self> {
        let manifest = bundle.manifest();
        let open = || {
            let detector = bundle.path(Role::FaceDetector)?;
            let detector = std::fs::read(&detector).map_err(|e| ModelError::io(detector, "read", e))?;
            let manet = Manet::load(&bundle.path(Role::Manet)?, &manifest.manet)?;
            Ok(Self { detector, face: manifest.face, manet })
        };
        open().map_err(RuntimeError::Bundle)
    }

    pub(super) fn tracker(&self) -> Result<FaceTracker> {
        FaceFinder::from_bytes(&self.detector, self.face.finder)
            .and_then(|finder| FaceTracker::new(finder, self.face.track))
            .map_err(RuntimeError::Bundle)
    }
}

/// Finds the face that counts and turns it into a row.
pub(crate) struct Eye {
    tracker: FaceTracker,
    crop: CropSettings,
    manet: Manet,
}

impl Eye {
    pub(super) fn new(optics: Optics, tracker: FaceTracker) -> Self {
        Self { tracker, crop: optics.face.crop, manet: optics.manet }
    }

    /// The face that counts in the next picture, and its crop [3, 224, 224].
    pub(crate) fn look(&mut self, frame: &RgbFrame) -> Result<Option<(FaceBox, Tensor)>> {
        face_in(&mut self.tracker, &self.crop, frame)
    }

    /// Forgets the face that was followed.
    pub(crate) fn forget(&mut self) {
        self.tracker.reset();
    }

    /// Numbers in a row.
    pub(crate) fn width(&self) -> usize {
        self.manet.config().embedding()
    }

    /// Face rows [frames with a face, width] in the order of time. While one crop becomes its row, the face in the next
    /// picture is looked for; no more than [`AHEAD`] crops wait, so memory does not grow with the clip.
    pub(super) fn see(&mut self, frames: Frames<'_>) -> Result<Tensor> {
        self.tracker.reset();
        let width = self.width();
        let Self { tracker, crop: settings, manet } = self;
        let (crops, waiting) = sync_channel(AHEAD);
        let data = std::thread::scope(|scope| {
            let rows = move || -> Result<Vec<f32>> {
                let mut data = Vec::new();
                for crop in waiting {
                    data.extend(embed(manet, crop)?);
                }
                Ok(data)
            };
            let thread = |source| RuntimeError::Thread { name: "face row", source };
            let embedding = Builder::new().name("face rows".into()).spawn_scoped(scope, rows).map_err(thread)?;
            let looked = look_for_faces(frames, tracker, settings, crops);
            // A panic there ends this thread as it would have ended it here.
            let data = embedding.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            looked.map(|()| data)
        })?;
        let count = data.len() / width.max(1);
        Tensor::new([count, width], data).map_err(RuntimeError::stage("MA-Net"))
    }

    pub(super) fn sees_a_face(&mut self, frames: Frames<'_>) -> Result<bool> {
        self.tracker.reset();
        for frame in frames {
            if self.tracker.observe(&frame?).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One face [3, 224, 224] to its row [width].
    pub(crate) fn embed(&mut self, crop: Tensor) -> Result<Vec<f32>> {
        embed(&mut self.manet, crop)
    }
}

/// The face that counts in `frame`, and its crop [3, 224, 224].
fn face_in(tracker: &mut FaceTracker, settings: &CropSettings, frame: &RgbFrame) -> Result<Option<(FaceBox, Tensor)>> {
    let Some(face) = tracker.observe(frame) else { return Ok(None) };
    let crop = crop_face(frame, &face, settings).map_err(RuntimeError::stage("face crop"))?;
    Ok(Some((face, crop)))
}

/// Hands on the crop of each picture with a face, until nobody takes them any more.
fn look_for_faces(
    frames: Frames<'_>,
    tracker: &mut FaceTracker,
    settings: &CropSettings,
    crops: SyncSender<Tensor>,
) -> Result<()> {
    for frame in frames {
        let Some((_, crop)) = face_in(tracker, settings, &frame?)? else { continue };
        if crops.send(crop).is_err() {
            break;
        }
    }
    Ok(())
}

fn embed(manet: &mut Manet, crop: Tensor) -> Result<Vec<f32>> {
    let batch: Vec<usize> = [1].iter().chain(crop.shape()).copied().collect();
    let output = crop.reshaped(batch).and_then(|face| manet.run(&face));
    Ok(output.map_err(RuntimeError::stage("MA-Net"))?.embedding.into_data())
}
