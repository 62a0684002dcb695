//! Tensors of a PyTorch file as parts of its storages, wherever the storages lie.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::named::{Data, Entry};
use super::stored::{Region, Stored, View};
use super::tensor_view::{Storage, TensorView};

/// How many times its storages' bytes a file's tensors may take together. Weights that several names share are few; a small file whose
/// names all lead to one storage would become a large network.
const MOST_SHARED: u64 = 8;
/// Bytes of tensors that need no storage of their own size.
const FREE_BYTES: u64 = 1 << 16;

/// The tensors that `views` describe; `find` gives a storage's bytes and is asked once for each storage, with the bytes that its
/// tensors say that it has; none where its class is not known.
///
/// # Errors
/// A phrase that names the tensor, when a storage is missing or is not as long as its tensor says.
pub(super) fn entries(
    views: BTreeMap<&str, TensorView<'_>>,
    mut find: impl FnMut(&str, Option<usize>) -> Result<Region, String>,
) -> Result<BTreeMap<String, Entry>, String> {
    let mut regions: BTreeMap<String, Region> = BTreeMap::new();
    let mut tensors = BTreeMap::new();
    let (mut stored_bytes, mut tensor_bytes) = (0u64, 0u64);
    for (name, view) in views {
        let Storage { key, element, elements, size, .. } = view.storage;
        let expected = size.and_then(|size| elements.checked_mul(size));
        let region = match regions.get(key) {
            Some(region) => region.clone(),
            None => {
                let region = find(key, expected).map_err(|reason| format!("tensor {name:?}: {reason}"))?;
                stored_bytes = stored_bytes.saturating_add(region.bytes().len() as u64);
                regions.insert(key.to_owned(), region.clone());
                region
            }
        };
        let found = region.bytes().len();
        if element.size().is_some() && expected != Some(found) {
            return Err(format!(
                "tensor {name:?}: its storage {key:?} has {found} bytes, {elements} {element} expected"
            ));
        }
        let numbers = view.shape.iter().fold(1u64, |n, &length| n.saturating_mul(length as u64));
        tensor_bytes = tensor_bytes.saturating_add(numbers.saturating_mul(element.size().unwrap_or(0) as u64));
        let stored = place(region, &view).ok_or_else(|| format!("tensor {name:?} leaves its storage"))?;
        tensors.insert(name.to_owned(), Entry::new(view.shape, Data::Stored(stored)));
    }
    if tensor_bytes > FREE_BYTES.saturating_add(stored_bytes.saturating_mul(MOST_SHARED)) {
        return Err(format!(
            "its tensors take {tensor_bytes} bytes out of storages of {stored_bytes}: they name the same numbers too often"
        ));
    }
    Ok(tensors)
}

/// The part of `region` that `view` needs: its own bytes when they lie in order, else the storage and strides.
fn place(region: Region, view: &TensorView<'_>) -> Option<Stored> {
    let element = view.storage.element;
    let first = view.storage.first.checked_add(view.offset)?;
    let (Some(size), Some(elements), Region::Mapped { map, range }) = (element.size(), view.dense_elements(), &region)
    else {
        let strides = View { offset: first, axes: view.shape.clone(), strides: view.strides.clone() };
        return Some(Stored { element, region, view: Some(strides) });
    };
    let first = if elements == 0 { 0 } else { first };
    let start = first.checked_mul(size).and_then(|skip| range.start.checked_add(skip))?;
    let end = elements.checked_mul(size).and_then(|length| start.checked_add(length))?;
    let region = (end <= range.end).then(|| Region::Mapped { map: Arc::clone(map), range: start..end })?;
    Some(Stored { element, region, view: None })
}
