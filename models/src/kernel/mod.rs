//! Arithmetic of the graph operators that this project brings along: integer matrix products and attention.
//!
//! Sums of integer products are equal on every processor; what surrounds them is plain `f32` code, compiled once for each
//! instruction set, without fused multiply-adds. So the same file gives the same integers everywhere, and floats that
//! differ by the order of nothing.
//!
//! `unsafe` stands in three places: the instruction sets' own files in [`integer`] and [`float`], and the one call in
//! [`isa`] that enters code compiled for an instruction set that was found.

pub mod attention;
pub mod finish;
mod float;
pub mod floats;
pub mod function;
mod integer;
pub mod isa;
pub mod normalise;
pub mod product;
pub mod quantise;
mod threads;
pub mod weight;

pub use attention::GatedAttention;
pub use finish::{Activation, Finish};
pub use isa::Isa;
pub use normalise::Norm;
pub use product::Lines;
pub use quantise::{Image, Quantised, RowScale};
pub use weight::PackedWeight;
