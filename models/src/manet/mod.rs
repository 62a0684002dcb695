//! MA-Net: a 224 x 224 face in, an embedding and two sets of expression scores out (spec section 2.2).
//!
//! After a common stem a local branch looks at the four quadrants of the map, each with its own layers and attention,
//! and a global branch looks at the whole map at several scales. Batch normalisations are folded into convolutions.

mod attention;
mod blocks;
mod config;
mod fused;
mod graph;
mod layout;
mod maps;
mod parameters;
mod session;
mod standard;

pub use crate::onnx::FloatLayers;
pub use config::ManetConfig;
pub use fused::{build_fused, build_quantised, byte_layers};
pub use graph::{build, contract};
pub use parameters::unwrapped;
pub use parameters::{parameters, recognise};
pub use session::{Manet, ManetOutput};

/// The network's name in messages.
const MODEL: &str = "manet";
/// Height and width of the map that the branches take.
const MAP_SIDE: i64 = 28;
/// Height and width of a face, in pixels.
pub const FACE_SIDE: usize = 224;
/// Red, green, blue.
pub const FACE_CHANNELS: usize = 3;
