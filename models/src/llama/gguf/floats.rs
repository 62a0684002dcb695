//! A llama in floats out of a GGUF file, as tensors under transformers' names: the way back of `write`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::check::LlamaRequirement;
use super::element::{BF16, F16};
use super::header::{GgufHeader, TensorInfo};
use super::write::{Entry, LlamaConfig, Rows, entries};
use crate::tensor::{ElementType, FileMap, NamedTensors, Region, Stored, View};
use crate::{ModelError, Result};

const EMBEDDING: &str = "token_embd.weight";

/// The sizes of the llama in the file at `path`, and its weights under the names that [`super::parameters`] lists. They stay
/// in the file until they are asked for. Where the output shares the embedding's weights, both names lead to them.
///
/// # Errors
/// What [`GgufHeader::read`] and [`GgufHeader::check`] raise: any file that is no plain llama; Gguf for quantised weights,
/// which nothing can be learned through exactly; Io.
pub fn read_gguf(path: &Path) -> Result<(LlamaConfig, NamedTensors)> {
    let header = GgufHeader::read(path)?;
    let checked = header.check(&LlamaRequirement::width(header.told_width()))?;
    header
        .require_floats("give the float file that it was made of; `mien-train quantize-gguf` makes small ones again")?;
    let shape = checked.shape;
    let config = LlamaConfig {
        vocab_size: shape.vocab_size,
        hidden_size: shape.embedding_length,
        intermediate_size: shape.feed_forward_length,
        layers: shape.block_count,
        heads: shape.head_count,
        kv_heads: shape.head_count_kv,
        rms_norm_eps: checked.rms_norm_eps,
        rope_theta: checked.rope_theta,
        context_length: shape.context_length,
    };
    config.validate()?;
    let map = Arc::new(FileMap::open(path)?);
    let end = header.tensors().last().map_or(0, |info| header.data_start + info.offset + info.bytes);
    if (map.len() as u64) < end {
        // The header was held against the file's length a moment ago.
        return Err(ModelError::io(path, "map", std::io::ErrorKind::UnexpectedEof.into()));
    }
    let infos: BTreeMap<&str, &TensorInfo> = header.tensors().iter().map(|info| (info.name.as_str(), info)).collect();
    let mut tensors = Vec::new();
    for entry in entries(&config) {
        // Every other tensor was found by the check.
        let Some(info) = infos.get(entry.gguf.as_str()).or_else(|| infos.get(EMBEDDING)) else { continue };
        let stored = stored(&map, header.data_start, info, &entry);
        tensors.push((entry.name, entry.shape, stored));
    }
    Ok((config, NamedTensors::from_stored(path.display().to_string(), tensors)))
}

fn stored(map: &Arc<FileMap>, data_start: u64, info: &TensorInfo, entry: &Entry) -> Stored {
    let element = match info.element {
        F16 => ElementType::F16,
        BF16 => ElementType::Bf16,
        _ => ElementType::F32,
    };
    // Within the map, so within what an address can hold.
    let start = (data_start + info.offset) as usize;
    let region = Region::Mapped { map: Arc::clone(map), range: start..start + info.bytes as usize };
    let view = match (entry.rows, &entry.shape[..]) {
        (Rows::Rotary(heads), &[rows, width]) => Some(halves(heads, rows / heads.max(1), width)),
        _ => None,
    };
    Stored { element, region, view }
}

/// Rows of `heads` heads as transformers orders them, from a file in which rotary partners are neighbours: within a head, row
/// i of half s is the file's row 2i + s.
fn halves(heads: usize, head: usize, width: usize) -> View {
    View { offset: 0, axes: vec![heads, 2, head / 2, width], strides: vec![head * width, width, 2 * width, 1] }
}
