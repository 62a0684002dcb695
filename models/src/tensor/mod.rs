//! Named tensors: the common form of published checkpoints, trained weights and formula weights.

mod dense;
pub mod formula;
mod named;

pub use dense::Tensor;
pub use named::{NamedTensors, TensorSpec};
