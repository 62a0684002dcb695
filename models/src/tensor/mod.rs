//! Named tensors: the common form of published checkpoints, trained weights and formula weights.
//!
//! [`NamedTensors`] opens a file (`safetensors_file`, or `torch_zip` with `pickle` and `state_dict`; both over a memory
//! `map`) or stands for a [`formula`]; [`write_safetensors`] writes any set down again.

mod dense;
mod element;
mod foreign;
pub mod formula;
mod map;
mod named;
pub mod pickle;
mod safetensors_file;
mod state_dict;
mod stored;
mod torch_zip;
mod write;

pub use dense::Tensor;
pub use map::FileMap;
pub use named::{NamedTensors, TensorSpec};
pub use write::write_safetensors;
