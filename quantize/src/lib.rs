//! What is lost when networks compute with bytes, and whether it may be lost.
//!
//! [`KeptFloat`] says which layers stay in `f32`; [`LayerNoise`] is what rounding does to a layer's weights, read off the
//! tensors alone; [`wavlm`] and [`manet`] run the float and the byte graph on the same inputs and compare them, WavLM
//! block by block; [`llama`] compares hidden states of two GGUF files. [`Gate`] decides by the valences of calibration
//! clips. Clips and scores are the caller's: this crate knows networks, no recordings.

mod error;
mod gate;
mod kept;
pub mod llama;
pub mod manet;
mod noise;
mod ranking;
mod similarity;
pub mod wavlm;

pub use error::{QuantizeError, Result};
pub use gate::{Gate, Measured, Pair};
pub use kept::KeptFloat;
pub use noise::LayerNoise;
pub use ranking::suspects;
pub use similarity::Similarity;
