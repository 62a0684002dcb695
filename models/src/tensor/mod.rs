//! Named tensors: the common form of published checkpoints, trained weights and formula weights.
//!
//! [`NamedTensors`] opens a file (`safetensors_file`; `torch_zip` or `torch_legacy` with `pickle`, `state_dict`,
//! `tensor_view` and `torch_views`; all over a memory `map`) or stands for a [`formula`]; [`write_safetensors`] writes any
//! set down again.

pub mod archive;
mod container;
mod dense;
mod element;
pub(crate) mod foreign;
pub mod formula;
mod map;
mod named;
pub mod pickle;
mod safetensors_file;
mod state_dict;
mod stored;
mod tensor_view;
mod torch_legacy;
mod torch_views;
mod torch_zip;
mod wrapped;
mod write;

pub use container::{FileFormat, PassedOver};
pub use dense::Tensor;
pub(crate) use element::ElementType;
pub use map::FileMap;
pub use named::{NamedTensors, TensorSpec};
pub(crate) use stored::{Region, Stored, View};
pub use write::write_safetensors;
