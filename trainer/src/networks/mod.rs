//! The networks before the fusion in a form that learns: llama, projector, WavLM and MA-Net on tensors with gradients.
//!
//! Architectures, sizes and names are those of `mien_models`, whose graph builders write what was trained here for the
//! device. [`objective`] is what they learn by.

mod host;
mod initial;
mod layers;
mod llama;
mod manet;
pub mod objective;
mod parameters;
mod projector;
mod wavlm;

pub use llama::{Llama, LlamaStates};
pub use manet::{Manet, ManetStates, Norms};
pub use parameters::{Mode, Parameters};
pub use projector::{Projector, Prompted, prompted};
pub use wavlm::{Recogniser, Wavlm, WavlmStates};
