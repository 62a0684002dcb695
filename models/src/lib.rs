//! The networks of mien: named tensors in, typed features and a valence out.
//!
//! Folders in the order of the data's way:
//! [`tensor`] reads weights by name; [`checkpoint`] says which network's they are; [`onnx`] writes graphs; [`wavlm`],
//! [`manet`], [`projector`] and [`fusion`] are architectures as functions from named tensors to an ONNX file; [`engine`]
//! runs such files in tract (load -> prepare -> session); [`llama`] runs a GGUF language model through llama.cpp and gives
//! hidden states; [`progress`] says that a long run goes on; [`face`] finds and crops faces; [`bundle`] is the folder a device installs; [`memory`] is what the machine
//! leaves for all of it.

mod arenas;
pub mod bundle;
pub mod checkpoint;
pub mod engine;
pub mod error;
pub mod face;
pub mod fusion;
mod held_file;
pub mod llama;
pub mod manet;
pub mod memory;
mod new_file;
pub mod onnx;
pub mod progress;
pub mod projector;
pub mod tensor;
pub mod wavlm;
mod work_folder;

pub use arenas::limit_arenas;
pub use error::{ModelError, Result};
pub use held_file::{HeldFile, HeldReader};
pub use work_folder::WorkFolder;
