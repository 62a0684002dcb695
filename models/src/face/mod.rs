//! Faces: where they are, which one counts, and its crop for MA-Net.
//!
//! [`FaceFinder`] gives the boxes of a picture, [`FaceTracker`] runs it every few frames and holds one face between,
//! [`crop_face`] cuts that face out as the network's input. [`detector_model`] is the detector's model file with its
//! licence, as it goes into a bundle.

mod crop;
mod finder;
mod layout;
mod model;
mod policy;
mod shrink;

pub use crop::{CROP_SIDE, CropSettings, crop_face};
pub use finder::{FaceBox, FaceFinder, FaceSettings};
pub use model::{DetectorModel, detector_model};
pub use policy::{FaceTracker, LargestFace, TrackSettings};
