//! Seeing: pictures to face rows.

use mien_capture::{Frames, RgbFrame};
use mien_models::ModelError;
use mien_models::bundle::{Bundle, FaceSection, Role};
use mien_models::face::{CropSettings, FaceBox, FaceFinder, FaceTracker, crop_face};
use mien_models::manet::Manet;
use mien_models::tensor::Tensor;

use crate::{Result, RuntimeError};

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
        let Some(face) = self.tracker.observe(frame) else { return Ok(None) };
        let crop = crop_face(frame, &face, &self.crop).map_err(RuntimeError::stage("face crop"))?;
        Ok(Some((face, crop)))
    }

    /// Forgets the face that was followed.
    pub(crate) fn forget(&mut self) {
        self.tracker.reset();
    }

    /// Numbers in a row.
    pub(crate) fn width(&self) -> usize {
        self.manet.config().embedding()
    }

    /// Face rows [frames with a face, width] in the order of time. A crop is turned into its row before the next picture
    /// is decoded, so memory does not grow with the clip.
    pub(super) fn see(&mut self, frames: Frames<'_>) -> Result<Tensor> {
        self.tracker.reset();
        let mut data = Vec::new();
        let mut count = 0;
        for frame in frames {
            let Some((_, crop)) = self.look(&frame?)? else { continue };
            data.extend(self.embed(crop)?);
            count += 1;
        }
        Tensor::new([count, self.width()], data).map_err(RuntimeError::stage("MA-Net"))
    }

    /// Rows of a clip without pictures.
    pub(super) fn nothing(&self) -> Tensor {
        Tensor::zeros([0, self.width()])
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
        let batch: Vec<usize> = [1].iter().chain(crop.shape()).copied().collect();
        let output = crop.reshaped(batch).and_then(|face| self.manet.run(&face));
        Ok(output.map_err(RuntimeError::stage("MA-Net"))?.embedding.into_data())
    }
}
