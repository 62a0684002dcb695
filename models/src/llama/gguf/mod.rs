//! GGUF files: a header reader that trusts nothing, the checks that a llama must pass before llama.cpp sees it, and a
//! writer for llama models made here.

mod check;
mod element;
mod floats;
mod header;
mod parts;
mod reader;
mod tensors;
mod tokenizer;
mod vocabulary;
mod weights;
mod write;

pub use check::{CheckedLlama, LlamaRequirement, LlamaShape};
pub use floats::read_gguf;
pub use header::{GgufHeader, MetaValue, TensorInfo};
pub use parts::GgufModel;
pub use vocabulary::SpmVocabulary;
pub use write::{LlamaConfig, Precision, parameters, write_gguf, write_gguf_as};
