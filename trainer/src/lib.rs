//! The workstation's program: corpora in, trained fusion networks out.
//!
//! Folders in the order of the data's way: [`extract`] takes clips through the device's networks; [`data`] gives
//! batches; [`model`] is UMCA with MIA for training; [`objective`] is what is minimised; [`train`] runs steps, epochs,
//! seeds and checkpoints; [`evaluate`] measures what came of it; [`report`] shows runs and measures on one page;
//! [`export`] takes a network to a device. [`bundle_build`] makes the first bundle out of published checkpoints.
//! [`networks`] are those before the fusion, for training; [`course`] is what their trainings have in common;
//! [`projection`] trains a projector for any llama; [`pocket`] makes a small world in which every part of the method does
//! its work.

pub mod bundle_build;
mod changed;
pub mod course;
pub mod data;
mod desk;
mod draw;
pub mod error;
pub mod evaluate;
pub mod export;
pub mod extract;
mod hash;
pub mod model;
pub mod networks;
mod new_folder;
pub mod objective;
pub mod pocket;
pub mod projection;
mod reading;
pub mod report;
mod sound;
pub mod train;
mod versioned;

pub use error::{Result, TrainerError};
