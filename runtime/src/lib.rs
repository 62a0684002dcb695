//! The device program as a library: from clips to scored utterances.
//!
//! The way of a clip: [`clip`] opens a file and cuts it into utterances ([`speech`], [`transcript`]); [`scorer`] takes
//! each utterance through hearing, seeing, reading and fusion; [`record`] is what comes out, one JSON line each. [`rung`]
//! says which networks are loaded for it. [`default_bundle`] opens the bundle: where none is named, that of [`pocket`].

pub mod bench;
pub mod clip;
pub mod config;
pub mod default_bundle;
pub mod doctor;
pub mod error;
pub mod live;
pub mod offline;
pub mod mode;
pub mod pocket;
pub mod record;
pub mod recording;
pub mod rung;
pub mod scorer;
pub mod speech;
pub mod spread;
pub mod steering;
pub mod transcript;
pub mod wiping;
pub mod word_errors;

pub use error::{Result, RuntimeError};
