//! Writing ONNX files: a graph is built node by node, its weights are streamed to one file beside it.
//!
//! An architecture of this crate is a function from named tensors to such a file, so no Python is on any path, and any
//! ONNX runtime can run the same file as an independent check.

mod convolution;
mod graph;
mod layers;
mod numbers;
mod own;
mod weights;

pub use convolution::{BatchNorm, Conv2d};
pub use graph::{Attr, Dim, Dtype, Graph, Value};
pub(crate) use numbers::ByteLayers;
pub use numbers::{FloatLayers, Numbers};
pub(crate) use own::channels_last;
pub use own::{AttentionConstants, FusedConvolution, LayerNorm};
