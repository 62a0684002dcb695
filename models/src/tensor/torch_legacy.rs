//! PyTorch checkpoints of the form before torch 1.6: five pickles one after the other, then the storages.
//!
//! The pickles are a magic number, the form's version, the machine's properties, the saved object, and the list of
//! storage keys. Storages follow in the order of that list, each as its number of elements (i64) and its elements. Where
//! one lies is known only when the lengths of all before it are, so storages that no weight uses are gone through too.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::container::{Container, FileFormat};
use super::map::FileMap;
use super::named::Entry;
use super::pickle::{Pickle, Value};
use super::state_dict::{self, DAMAGED, NO_STATE_DICT};
use super::stored::Region;
use super::tensor_view::{self, Storage};
use super::torch_views;
use crate::{ModelError, Result};

/// Python's integer 0x1950a86a20f9469cfc6c as a pickle holds it.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// Where the magic number ends at the latest: after a protocol, a frame and the instruction's own two bytes.
const MAGIC_END: usize = 23;
/// The one version of the form.
const VERSION: i64 = 1001;
/// Bytes of a storage's number of elements.
const COUNT_BYTES: usize = 8;

/// Whether `bytes` begin with a pickle of the magic number.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    let start = bytes.get(..MAGIC_END).unwrap_or(bytes);
    start.first() == Some(&0x80) && start.windows(MAGIC.len()).any(|window| window == MAGIC)
}

/// Tensors of the state dict in a mapped file, and what lay beside them.
///
/// # Errors
/// Format when a pickle, the list of storages or a storage's length is not as torch.save wrote them. The form has no
/// checksums: changed weights are not seen here.
pub(super) fn read(path: &Path, map: &Arc<FileMap>) -> Result<(BTreeMap<String, Entry>, Container)> {
    let refuse = |fix: &'static str| {
        move |reason: String| ModelError::Format { path: path.into(), format: "PyTorch", reason, fix }
    };
    let damaged = refuse(DAMAGED);
    let mut pickles = Pickles { bytes: map, position: 0 };
    pickles.next().map_err(&damaged)?;
    check_machine(&mut pickles).map_err(&damaged)?;
    let object = pickles.next().map_err(&damaged)?;
    let keys = pickles.next().map_err(&damaged)?;
    let storages = storages(map, pickles.position, &object, &keys).map_err(&damaged)?;
    let state = state_dict::find(&object).map_err(refuse(NO_STATE_DICT))?;
    let container = state.container(FileFormat::TorchLegacy);
    let tensors = torch_views::entries(state.tensors, |key, _| {
        storages.get(key).cloned().ok_or_else(|| format!("its storage {key:?} is not in the file"))
    });
    Ok((tensors.map_err(&damaged)?, container))
}

/// The pickles at the start of the file.
struct Pickles<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Pickles<'a> {
    fn next(&mut self) -> std::result::Result<Pickle<'a>, String> {
        let rest = self.bytes.get(self.position..).unwrap_or(&[]);
        let start = self.position;
        let (pickle, length) =
            Pickle::parse_first(rest).map_err(|reason| format!("in the part from byte {start}: {reason}"))?;
        // Within the file, because the program was.
        self.position += length;
        Ok(pickle)
    }
}

/// Reads the version and the writing machine's properties.
fn check_machine(pickles: &mut Pickles<'_>) -> std::result::Result<(), String> {
    let version = pickles.next()?;
    match version[version.root()] {
        Value::Int(VERSION) => {}
        ref other => return Err(format!("its version is {other:?}, {VERSION} expected")),
    }
    let machine = pickles.next()?;
    let Value::Dict(properties) = &machine[machine.root()] else {
        return Err("the properties of the machine that wrote it are no dict".into());
    };
    let order = properties.iter().find(|(key, _)| machine.text(*key) == Some("little_endian"));
    match order.map(|(_, value)| &machine[*value]) {
        Some(Value::Bool(true)) => Ok(()),
        Some(Value::Bool(false)) => Err("its numbers are big-endian, which is not read".into()),
        _ => Err("it does not say in which byte order it was written".into()),
    }
}

/// Where every storage's elements lie.
fn storages(
    map: &Arc<FileMap>,
    mut position: usize,
    object: &Pickle<'_>,
    keys: &Pickle<'_>,
) -> std::result::Result<BTreeMap<String, Region>, String> {
    let mut described: BTreeMap<&str, Storage<'_>> = BTreeMap::new();
    for storage in object.persistent().filter_map(|id| tensor_view::storage(object, id)) {
        let earlier = described.insert(storage.key, storage);
        if earlier.is_some_and(|e| (e.size, e.elements) != (storage.size, storage.elements)) {
            return Err(format!("storage {:?} is described in two ways", storage.key));
        }
    }
    let Value::List(keys_in_order) = &keys[keys.root()] else {
        return Err("the list of its storages is missing".into());
    };
    let mut regions = BTreeMap::new();
    for &key in keys_in_order {
        let key = keys.text(key).ok_or("the list of its storages holds something else than keys")?;
        let storage = described.get(key).ok_or_else(|| format!("storage {key:?} is listed but described nowhere"))?;
        let size = storage.size.ok_or_else(|| format!("storage {key:?} has elements of an unknown class"))?;
        let count = map.get(position..).and_then(|rest| rest.first_chunk::<COUNT_BYTES>());
        let count = count.map(|bytes| i64::from_le_bytes(*bytes));
        let cut = || format!("it ends in storage {key:?}: the whole file has {} bytes", map.len());
        let count = count.ok_or_else(cut)?;
        if usize::try_from(count) != Ok(storage.elements) {
            return Err(format!("storage {key:?} has {count} elements, {} expected", storage.elements));
        }
        let start = position + COUNT_BYTES;
        let end = storage.elements.checked_mul(size).and_then(|length| start.checked_add(length));
        let end = end.filter(|&end| end <= map.len()).ok_or_else(cut)?;
        if regions.insert(key.to_owned(), Region::Mapped { map: Arc::clone(map), range: start..end }).is_some() {
            return Err(format!("storage {key:?} is listed twice"));
        }
        position = end;
    }
    Ok(regions)
}
