//! Arithmetic of the graph operators that this project brings along: products of bytes and floats, attention, norms.
//!
//! Sums of integer products are equal on every processor; what surrounds them is plain `f32` code without fused
//! multiply-adds, compiled once for each instruction set. Products of floats are fused where the processor can, so
//! their last digits depend on it.
//!
//! `unsafe` stands in the instruction sets' own files in `integer`, `float` and `half`, and the one call in
//! [`isa`] that enters code compiled for an instruction set that was found.

// Loops over arrays by index: adapters that are not inlined would be compiled without the instruction set.
#![allow(clippy::needless_range_loop)]

pub mod attention;
mod block;
pub mod finish;
mod float;
pub mod floats;
pub mod function;
mod half;
mod image;
mod integer;
pub mod isa;
pub mod normalise;
pub mod product;
pub mod quantise;
mod rows;
mod threads;
pub mod weight;

pub use attention::GatedAttention;
pub use finish::{Activation, Finish};
pub use floats::PackedMatrix;
pub use image::Image;
pub use isa::Isa;
pub use normalise::Norm;
pub use product::Lines;
pub use quantise::{Quantised, RowScale, Rows};
pub use weight::PackedWeight;

/// Gives back the memory that this thread keeps between products: it holds parts of what was computed last.
pub fn forget_scratch() {
    quantise::forget_spare();
    attention::forget_scratch();
}
