//! Which tensors a plain llama has in a GGUF file, and in what shape.

use std::collections::BTreeMap;

use super::check::{Fields, LlamaShape};
use super::element::F32;
use super::header::TensorInfo;
use crate::Result;

/// Parts of one block: name, and shape innermost first.
pub(super) fn block_parts(shape: &LlamaShape) -> [(&'static str, Vec<u64>); 9] {
    let width = shape.embedding_length as u64;
    let kv = width / shape.head_count.max(1) as u64 * shape.head_count_kv as u64;
    let inner = shape.feed_forward_length as u64;
    [
        ("attn_norm", vec![width]),
        ("attn_q", vec![width, width]),
        ("attn_k", vec![width, kv]),
        ("attn_v", vec![width, kv]),
        ("attn_output", vec![width, width]),
        ("ffn_norm", vec![width]),
        ("ffn_gate", vec![width, inner]),
        ("ffn_up", vec![width, inner]),
        ("ffn_down", vec![inner, width]),
    ]
}

/// Every tensor there, in its shape; none beside them (a bias or an expert is another computation); norms in F32.
pub(super) fn check(fields: &Fields<'_>, tensors: &[TensorInfo], shape: &LlamaShape) -> Result<()> {
    let mut found: BTreeMap<&str, &TensorInfo> = tensors.iter().map(|t| (t.name.as_str(), t)).collect();
    let width = shape.embedding_length as u64;
    let vocabulary = vec![width, shape.vocab_size as u64];
    let mut take = |name: &str, expected: &[u64], required: bool| -> Result<()> {
        let Some(tensor) = found.remove(name) else {
            return if required { Err(fields.refuse(name, shown(expected), "absent")) } else { Ok(()) };
        };
        if tensor.dims != expected {
            return Err(fields.refuse(name, shown(expected), shown(&tensor.dims)));
        }
        if expected.len() == 1 && tensor.element != F32 {
            return Err(fields.refuse(name, "element type F32", format!("element type {}", tensor.element)));
        }
        Ok(())
    };
    take("token_embd.weight", &vocabulary, true)?;
    // Absent where the output shares the embedding's weights.
    take("output.weight", &vocabulary, false)?;
    take("output_norm.weight", &[width], true)?;
    let parts = block_parts(shape);
    for block in 0..shape.block_count {
        for (part, dims) in &parts {
            take(&format!("blk.{block}.{part}.weight"), dims, true)?;
        }
    }
    match found.into_values().next() {
        None => Ok(()),
        Some(extra) => Err(fields.refuse(&extra.name, "no such tensor in a plain llama", shown(&extra.dims))),
    }
}

fn shown(dims: &[u64]) -> String {
    format!("a tensor of {dims:?} (innermost axis first)")
}
