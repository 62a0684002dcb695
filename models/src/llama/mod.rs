//! The language model: a llama in a GGUF file, run through llama.cpp, read for its hidden states.
//!
//! Two uses: [`Llama::real_text`] represents a transcript (LLM_f, spec section 2.3), [`Llama::simulate`] makes a text
//! representation out of sound (LLM_g, spec section 2.4).
//!
//! llama.cpp is C++ that ends the process on inputs it did not expect. So [`gguf`] holds a file against a closed list
//! before llama.cpp opens it, lengths and widths are checked before every call, and all numbers that go in or come out
//! are checked to be finite. The calls themselves are in modules of their own: running, devices, quantising.
//!
//! Layers can be put on a GPU where the program was built with one of llama.cpp's GPU backends. llama.cpp would run without a
//! word on the processor what it cannot put there, so [`Llama::load`] looks where each layer came to lie ([`Landing`]).
//! [`quantise_gguf`] makes a smaller file out of a float one.

mod device;
pub mod gguf;
mod landing;
mod model;
mod quantise;
mod raw;
mod raw_devices;
mod raw_quantise;
#[cfg(target_os = "linux")]
mod raw_stream;
mod settings;
mod simulate;
mod speed;
mod states;
mod text;

pub use device::{GPU_BACKENDS, GpuDevice, gpu_devices};
pub use gguf::{
    GgufHeader, GgufModel, LlamaConfig, LlamaRequirement, LlamaShape, MetaValue, Precision, SpmVocabulary, TensorInfo,
};
pub use gguf::{parameters, read_gguf, write_gguf, write_gguf_as};
pub use landing::Landing;
pub use model::{CancelHandle, Llama, LlamaSource};
pub use quantise::{QuantisedGguf, QuantisedType, quantise_gguf};
pub use settings::{CachePrecision, LlamaSettings};
pub use simulate::{MAX_NEW_TOKENS, PROMPT, SHORT_PROMPT, Simulated, SimulationWarning, Stop};
pub use states::LayerSet;
