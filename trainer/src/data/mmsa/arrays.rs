//! One array [clips, rows, width] in the mapped file.

use std::ops::Range;

use mien_models::tensor::FileMap;
use mien_models::tensor::pickle::ValueId;

use super::super::numpy::{Dtype, Elements, Kind, Objects};

/// Where the numbers of a modality lie.
#[derive(Clone, Debug)]
pub(super) struct RowArray {
    /// In the file.
    bytes: Range<usize>,
    dtype: Dtype,
    clips: usize,
    rows: usize,
    width: usize,
}

impl RowArray {
    /// The array that `id` describes.
    pub(super) fn read(objects: &Objects<'_>, id: ValueId, map: &FileMap) -> Result<Self, String> {
        let array = objects.array(id).ok_or("expected an array")??;
        let &[clips, rows, width] = array.shape.as_slice() else {
            return Err(format!("expected an array [clips, rows, width], found shape {:?}", array.shape));
        };
        let elements = array.dense().ok_or("expected numbers in row-major order; save the array again with order C")?;
        if elements.dtype.kind != Kind::Float {
            return Err(format!("expected floats, found {}", elements.dtype));
        }
        // The elements borrow from the map; only their place in it outlives the pickle.
        let start = (elements.bytes.as_ptr() as usize).checked_sub(map.as_ptr() as usize);
        let bytes = start.and_then(|start| Some(start..start.checked_add(elements.bytes.len())?));
        let bytes = bytes.filter(|range| range.end <= map.len()).ok_or("an array lies outside of the file")?;
        Ok(Self { bytes, dtype: elements.dtype, clips, rows, width })
    }

    pub(super) fn clips(&self) -> usize {
        self.clips
    }

    /// Rows that are there for each clip, padding included.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The first `rows` rows of a clip, minus infinity replaced by 0; `None` past the end.
    pub(super) fn clip(&self, map: &FileMap, clip: usize, rows: usize) -> Option<Vec<f32>> {
        if clip >= self.clips || rows > self.rows {
            return None;
        }
        let row = self.width.checked_mul(self.dtype.size)?;
        let start = self.bytes.start.checked_add(clip.checked_mul(self.rows)?.checked_mul(row)?)?;
        let bytes = map.get(start..start.checked_add(rows.checked_mul(row)?)?)?;
        let mut values = Elements { dtype: self.dtype, bytes }.floats()?;
        for value in &mut values {
            if *value == f32::NEG_INFINITY {
                *value = 0.0;
            }
        }
        Some(values)
    }

    /// Rows of a clip up to the last that is not zero throughout, at least 1: padding is zeros at the end.
    pub(super) fn filled_rows(&self, map: &FileMap, clip: usize) -> usize {
        let values = self.clip(map, clip, self.rows).unwrap_or_default();
        let last = values.iter().rposition(|v| *v != 0.0);
        last.map_or(0, |at| at / self.width.max(1)) + 1
    }
}
