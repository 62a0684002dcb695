//! Safetensors files: a JSON header with names, types, shapes and byte ranges, then the data.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::element::ElementType;
use super::map::FileMap;
use super::named::{Data, Entry};
use super::stored::{Region, Stored};
use crate::{ModelError, Result};

/// Bytes of the header's length, little-endian u64, at the start of the file.
pub(super) const LENGTH_BYTES: usize = 8;
/// Longest header that is parsed. WavLM-Large's 488 tensors need 60 kB.
const LONGEST_HEADER: usize = 16 << 20;

/// Whether `bytes` begin as a safetensors file does: eight bytes of length, then a JSON object.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    bytes.get(LENGTH_BYTES) == Some(&b'{')
}

/// Tensors and metadata of a mapped safetensors file. Nothing but the header is read.
///
/// # Errors
/// Format when the header is damaged or does not describe the file exactly.
pub(super) fn read(path: &Path, map: &Arc<FileMap>) -> Result<(BTreeMap<String, Entry>, BTreeMap<String, String>)> {
    let refuse = |reason: String| ModelError::Format {
        path: path.into(),
        format: "safetensors",
        reason,
        fix: "the file is damaged or was not copied whole: fetch it again",
    };
    let length = map
        .first_chunk::<LENGTH_BYTES>()
        .and_then(|b| usize::try_from(u64::from_le_bytes(*b)).ok())
        .filter(|&n| n <= LONGEST_HEADER)
        .ok_or_else(|| refuse(format!("the header's length is missing or above {LONGEST_HEADER} bytes")))?;
    let data_start = LENGTH_BYTES + length;
    let header = map
        .get(LENGTH_BYTES..data_start)
        .ok_or_else(|| refuse(format!("the header takes {length} bytes, the whole file has {}", map.len())))?;
    // `Metadata` checks that the ranges follow each other without holes and agree with type and shape.
    let header: Metadata =
        serde_json::from_slice(header).map_err(|e| refuse(format!("the header is no valid JSON: {e}")))?;
    let data = map.len() - data_start;
    if header.data_len() != data {
        return Err(refuse(format!("the header describes {} bytes of data, the file has {data}", header.data_len())));
    }
    let tensors = header
        .tensors()
        .into_iter()
        .map(|(name, info)| {
            let (start, end) = info.data_offsets;
            let region = Region::Mapped { map: Arc::clone(map), range: data_start + start..data_start + end };
            let stored = Stored { element: element_type(info.dtype), region, view: None };
            (name, Entry::new(info.shape.clone(), Data::Stored(stored)))
        })
        .collect();
    let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    Ok((tensors, metadata))
}

fn element_type(dtype: Dtype) -> ElementType {
    match dtype {
        Dtype::F32 => ElementType::F32,
        Dtype::F16 => ElementType::F16,
        Dtype::BF16 => ElementType::Bf16,
        Dtype::F64 => ElementType::F64,
        Dtype::I64 => ElementType::I64,
        Dtype::I32 => ElementType::I32,
        Dtype::I16 => ElementType::I16,
        Dtype::I8 => ElementType::I8,
        Dtype::U8 => ElementType::U8,
        Dtype::BOOL => ElementType::Bool,
        _ => ElementType::Unsupported,
    }
}
