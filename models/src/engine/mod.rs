//! Running ONNX files in tract, one type per stage: [`LoadedGraph`] -> [`PreparedGraph`] -> [`Session`].
//!
//! A graph is loaded only against a [`GraphContract`]: names, element types, axes and the configuration that the caller
//! relies on. A plan keeps axes symbolic, because a plan per length costs seconds and a second copy of the weights in f32.

mod contract;
mod files;
mod graph;
pub(crate) mod operator;
mod profile;
mod session;
mod threads;

pub(crate) use contract::described;
pub use contract::{GraphContract, TensorContract};
pub use files::GraphSource;
pub(crate) use graph::read;
pub use graph::{LoadedGraph, PreparedGraph};
pub use mien_kernel::{Isa, forget_scratch};
pub use profile::OperatorTime;
pub use session::{Input, Session};
pub use threads::{on_one_thread, on_own_threads, set_threads};
