//! Writing a set of tensors as a safetensors file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use serde::ser::{SerializeMap, Serializer};

use super::safetensors_file::LENGTH_BYTES;
use super::{NamedTensors, TensorSpec};
use crate::new_file::NewFile;
use crate::{ModelError, Result};

/// Writes the tensors that `specs` names, in that order, as f32, with `metadata` in the header. Optional tensors that
/// are missing or hold integers (counters) are left out.
///
/// One tensor at a time is in memory. The file appears under `path` whole or not at all: it is written beside it and
/// renamed, so a map of an older file at `path` stays valid. Same tensors, same bytes.
///
/// # Errors
/// Io; Config when a name is listed twice; whatever [`NamedTensors::get`] finds wrong with a tensor.
pub fn write_safetensors(
    path: &Path,
    tensors: &NamedTensors,
    specs: &[TensorSpec],
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let mut names = BTreeSet::new();
    let mut chosen = Vec::with_capacity(specs.len());
    for spec in specs {
        if !names.insert(spec.name.as_str()) {
            return Err(ModelError::Config {
                what: path.display().to_string(),
                reason: format!("tensor {} is listed twice; each name can be written once", spec.name),
            });
        }
        if spec.required || tensors.holds_floats(&spec.name) {
            chosen.push(spec);
        }
    }
    let header = header(&chosen, metadata).map_err(|reason| ModelError::Config {
        what: path.display().to_string(),
        reason: format!("no safetensors header can be made: {reason}"),
    })?;

    let failed = |e| ModelError::io(path, "write", e);
    let mut out = NewFile::create(path)?;
    out.write_all(&(header.len() as u64).to_le_bytes()).map_err(failed)?;
    out.write_all(&header).map_err(failed)?;
    for spec in chosen {
        let values = tensors.get(&spec.name, &spec.shape)?;
        write_values(&mut out, &values).map_err(failed)?;
    }
    out.publish()
}

/// The JSON header, padded with spaces so that the data begins at a multiple of eight.
fn header(specs: &[&TensorSpec], metadata: &BTreeMap<String, String>) -> std::result::Result<Vec<u8>, String> {
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut json);
    let mut map = serializer.serialize_map(None).map_err(|e| e.to_string())?;
    if !metadata.is_empty() {
        map.serialize_entry("__metadata__", metadata).map_err(|e| e.to_string())?;
    }
    let mut start = 0usize;
    for spec in specs {
        let bytes = spec.shape.iter().try_fold(size_of::<f32>(), |n, &d| n.checked_mul(d));
        let end = bytes.and_then(|n| start.checked_add(n)).ok_or_else(|| format!("{} is too large", spec.name))?;
        let info = serde_json::json!({ "dtype": "F32", "shape": spec.shape, "data_offsets": [start, end] });
        map.serialize_entry(&spec.name, &info).map_err(|e| e.to_string())?;
        start = end;
    }
    map.end().map_err(|e| e.to_string())?;
    json.resize(json.len().next_multiple_of(LENGTH_BYTES), b' ');
    Ok(json)
}

/// Little-endian f32.
fn write_values(out: &mut impl Write, values: &[f32]) -> std::io::Result<()> {
    if cfg!(target_endian = "little") {
        return out.write_all(bytemuck::cast_slice(values));
    }
    values.iter().try_for_each(|v| out.write_all(&v.to_le_bytes()))
}
