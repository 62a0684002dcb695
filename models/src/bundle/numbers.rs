//! Which numbers a graph computes with, as its file shows it.

use std::path::Path;

use prost::Message;
use tract_onnx::pb;

use crate::engine::operator::names;
use crate::{ModelError, Result};

/// Largest graph that is read; weights lie beside it.
const BYTES_LIMIT: u64 = 64 << 20;

/// Matrix products and convolutions of a graph by what they compute with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GraphNumbers {
    /// With signed bytes.
    pub bytes: usize,
    /// With floats.
    pub floats: usize,
}

impl GraphNumbers {
    /// Counts the products of the ONNX file `path`, whose digest has been held.
    ///
    /// # Errors
    /// [`ModelError::Io`]; [`ModelError::Format`] for a file that is no graph.
    pub fn read(path: &Path) -> Result<Self> {
        let damaged = |reason: String| ModelError::Format {
            path: path.into(),
            format: "ONNX",
            reason,
            fix: "export the graph again",
        };
        let size = std::fs::metadata(path).map_err(|e| ModelError::io(path, "read", e))?.len();
        if size > BYTES_LIMIT {
            return Err(damaged(format!("{size} bytes, expected at most {BYTES_LIMIT}")));
        }
        let file = std::fs::read(path).map_err(|e| ModelError::io(path, "read", e))?;
        let graph = pb::ModelProto::decode(file.as_slice()).map_err(|e| damaged(e.to_string()))?;
        let mut numbers = Self::default();
        for node in graph.graph.iter().flat_map(|graph| &graph.node) {
            match node.op_type.as_str() {
                names::BYTE_LINEAR | names::BYTE_CONVOLUTION => numbers.bytes += 1,
                "MatMul" | "Gemm" | "Conv" | names::LINEAR | names::CONVOLUTION => numbers.floats += 1,
                _ => {}
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
