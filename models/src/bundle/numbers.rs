//! Which numbers a graph computes with, as its file shows it.

use crate::Result;
use crate::engine::operator::names;
use crate::engine::{self, GraphSource};
use crate::onnx::Numbers;

/// Matrix products and convolutions of a graph by what they compute with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GraphNumbers {
    /// With signed bytes.
    pub bytes: usize,
    /// With floats.
    pub floats: usize,
}

impl GraphNumbers {
    /// Counts the products of an ONNX file.
    ///
    /// # Errors
    /// [`crate::ModelError::Io`]; [`crate::ModelError::Format`] for a file that is no graph.
    pub fn read<'a>(source: impl Into<GraphSource<'a>>) -> Result<Self> {
        let file = engine::read(&source.into().graph()?)?;
        let mut numbers = Self::default();
        for node in file.graph.iter().flat_map(|graph| &graph.node) {
            let name = node.op_type.as_str();
            match names::numbers(name) {
                Some(Numbers::Bytes) => numbers.bytes += 1,
                Some(Numbers::Floats) => numbers.floats += 1,
                None if ["MatMul", "Gemm", "Conv"].contains(&name) => numbers.floats += 1,
                None => {}
            }
        }
        Ok(numbers)
    }
}

impl std::fmt::Display for GraphNumbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self { bytes: 0, .. } => f.write_str("floats"),
            Self { bytes, floats } => write!(f, "bytes in {bytes} products, floats in {floats}"),
        }
    }
}
