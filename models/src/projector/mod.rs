//! The SLAM-ASR projector: WavLM frames -> input rows of the language model (spec section 2.4).
//!
//! Five consecutive frames become one row of 10 per second through two linear maps with a ReLU between.

mod config;
mod graph;
mod parameters;
mod session;

pub use config::ProjectorConfig;
pub use graph::{build, contract};
pub use parameters::{parameters, read, recognise};
pub use session::Projector;
