//! WavLM with stable layer norm and gated relative position bias: sound -> audio features (spec section 2.1).
//!
//! [`WavlmConfig`] gives the sizes, [`parameters()`] the tensors by the names of the transformers library, [`build`] writes
//! the network as an ONNX file, and [`Wavlm`] runs that file on utterances of any length. Two states leave the network:
//! the residual stream after a chosen layer (the audio features of the fusion) and the last layer after the encoder's
//! norm (what the projector to the language model takes).

mod attention;
mod config;
mod fused;
mod graph;
mod layers;
mod library;
mod parameters;
pub mod position;
mod session;
mod standard;
pub mod waveform;

pub use crate::onnx::FloatLayers;
pub use config::WavlmConfig;
pub use fused::{build_fused, build_quantised, byte_layers};
pub use graph::{build, contract};
pub use library::{LibraryConfig, read};
pub use parameters::{parameters, positional_weight, recognise, spelled};
pub use session::{Wavlm, WavlmFeatures, WavlmSession};
