//! Seeing: pictures to face rows.

use mien_capture::Frames;
use mien_models::bundle::{Bundle, Role};
use mien_models::face::{CropSettings, FaceFinder, FaceTracker, crop_face};
use mien_models::manet::Manet;
use mien_models::tensor::Tensor;

use crate::{Result, RuntimeError};

pub(super) struct Eye {
    tracker: FaceTracker,
    crop: CropSettings,
    manet: Manet,
}

impl Eye {
    pub(super) fn open(bundle: &Bundle) -> Result<Self> {
        let manifest = bundle.manifest();
        let open = || {
            let detector = bundle.path(Role::FaceDetector)?;
            let bytes = std::fs::read(&detector).map_err(|e| mien_models::ModelError::io(detector, "read", e))?;
            let finder = FaceFinder::from_bytes(&bytes, manifest.face.finder)?;
            Ok(Self {
                tracker: FaceTracker::new(finder, manifest.face.track)?,
                crop: manifest.face.crop,
                manet: Manet::load(&bundle.path(Role::Manet)?, &manifest.manet)?,
            })
        };
        open().map_err(RuntimeError::Bundle)
    }

    /// Face rows [frames with a face, width] in the order of time. A crop is turned into its row before the next picture
    /// is decoded, so memory does not grow with the clip.
    pub(super) fn see(&mut self, frames: Frames<'_>) -> Result<Tensor> {
        self.tracker.reset();
        let mut data = Vec::new();
        let mut count = 0;
        for frame in frames {
            let frame = frame?;
            let Some(face) = self.tracker.observe(&frame) else { continue };
            let crop = crop_face(&frame, &face, &self.crop).map_err(RuntimeError::stage("face crop"))?;
            data.extend(self.embed(crop)?.into_data());
            count += 1;
        }
        Tensor::new([count, self.manet.config().embedding()], data).map_err(RuntimeError::stage("MA-Net"))
    }

    /// Rows of a clip without pictures.
    pub(super) fn nothing(&self) -> Tensor {
        Tensor::zeros([0, self.manet.config().embedding()])
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

    /// One face [3, 224, 224] to its row [1, width].
    fn embed(&mut self, crop: Tensor) -> Result<Tensor> {
        let batch: Vec<usize> = [1].iter().chain(crop.shape()).copied().collect();
        let output = crop.reshaped(batch).and_then(|face| self.manet.run(&face));
        Ok(output.map_err(RuntimeError::stage("MA-Net"))?.embedding)
    }
}
