//! The form before torch 1.6, written by hand: parts of storages as old versions saved them, and lengths that lie.

use std::fs;

use mien_models::ModelError;
use mien_models::tensor::NamedTensors;

use super::message;

const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
const VERSION: &[u8] = b"\x80\x02M\xe9\x03.";
const LITTLE: &[u8] = b"\x80\x02}X\x0d\0\0\0little_endian\x88s.";
const REBUILD: &[u8] = b"ctorch._utils\n_rebuild_tensor_v2\n";
const NO_PART: &[u8] = b"N";

fn text(s: &str) -> Vec<u8> {
    [b"X", &(s.len() as u32).to_le_bytes()[..], s.as_bytes()].concat()
}

/// A tensor [2] from element `offset` of the storage "k" with `held` elements; `part` is the last item of its id.
fn tensor(class: &str, held: u8, part: &[u8], offset: u8) -> Vec<u8> {
    let id =
        [b"(", &text("storage")[..], b"ctorch\n", class.as_bytes(), b"\n", &text("k"), &text("cpu"), &[b'K', held]];
    let id = [&id.concat()[..], part, b"tQ"].concat();
    [REBUILD, b"(", &id, &[b'K', offset], b"(K\x02t(K\x01t\x89}tR"].concat()
}

/// The part (key, first, held) of a storage.
fn part(first: u8, held: u8) -> Vec<u8> {
    [b"(", &text("v")[..], &[b'K', first, b'K', held], b"t"].concat()
}

/// A program that returns a dict of tensors.
fn object(tensors: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items: Vec<u8> = tensors.iter().flat_map(|(name, t)| [&text(name)[..], t, b"s"].concat()).collect();
    [b"\x80\x02}", &items[..], b"."].concat()
}

fn keys(keys: &[&str]) -> Vec<u8> {
    let items: Vec<u8> = keys.iter().flat_map(|key| [&text(key)[..], b"a"].concat()).collect();
    [b"\x80\x02]", &items[..], b"."].concat()
}

/// A storage that says that it has `count` elements and holds 0, 1, 2, ... as f32.
fn storage(count: i64, held: u8) -> Vec<u8> {
    let values = (0..held).flat_map(|v| f32::from(v).to_le_bytes());
    count.to_le_bytes().into_iter().chain(values).collect()
}

fn read(parts: &[&[u8]]) -> Result<NamedTensors, ModelError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crafted.pt");
    fs::write(&path, parts.concat()).unwrap();
    NamedTensors::open(&path)
}

fn refusal(parts: &[&[u8]]) -> String {
    match read(parts) {
        Err(error @ ModelError::Format { .. }) => message(&error),
        other => panic!("{other:?}"),
    }
}

/// A whole file with one tensor.
fn file(tensor: Vec<u8>) -> [Vec<u8>; 3] {
    [object(&[("w", tensor)]), keys(&["k"]), storage(6, 6)]
}

fn whole(parts: &[Vec<u8>; 3]) -> [&[u8]; 6] {
    let [object, keys, storage] = parts;
    [MAGIC, VERSION, LITTLE, object, keys, storage]
}

#[test]
fn parts_of_storages_begin_where_they_say() {
    let values = |tensor: Vec<u8>| read(&whole(&file(tensor))).unwrap().get("w", &[2]).unwrap().into_owned();
    assert_eq!(values(tensor("FloatStorage", 6, NO_PART, 1)), [1.0, 2.0]);
    // As torch saved views of storages before 0.4: offsets count from the part's first element.
    assert_eq!(values(tensor("FloatStorage", 6, &part(3, 3), 1)), [4.0, 5.0]);
    // Whole, and after the file's end whatever may follow.
    let more = file(tensor("FloatStorage", 6, NO_PART, 4));
    let parts = [&whole(&more)[..], &[b"anything"]].concat();
    assert_eq!(read(&parts).unwrap().get("w", &[2]).unwrap(), [4.0, 5.0].as_slice());
}

#[test]
fn parts_and_offsets_that_leave_their_storage_are_refused() {
    let told = |tensor: Vec<u8>| refusal(&whole(&file(tensor)));
    assert!(told(tensor("FloatStorage", 6, NO_PART, 5)).contains("leave its storage"));
    assert!(told(tensor("FloatStorage", 6, &part(3, 3), 2)).contains("leave its storage of 3 elements"));
    for bad in [part(4, 3), part(255, 255), b"K\x01".to_vec(), b"(K\x01t".to_vec()] {
        let said = told(tensor("FloatStorage", 6, &bad, 0));
        assert!(said.contains("storage"), "{said}");
    }
}

#[test]
fn lengths_and_lists_that_lie_are_refused() {
    let good = object(&[("w", tensor("FloatStorage", 6, NO_PART, 0))]);
    let told = |keys: &[u8], storage: &[u8]| refusal(&[MAGIC, VERSION, LITTLE, &good, keys, storage]);
    assert!(told(&keys(&["k"]), &storage(7, 6)).contains("has 7 elements, 6 expected"));
    assert!(told(&keys(&["k"]), &storage(-1, 6)).contains("has -1 elements"));
    assert!(told(&keys(&["k"]), &storage(6, 5)).contains("it ends in storage"));
    assert!(told(&keys(&["k"]), b"").contains("it ends in storage"));
    assert!(told(&keys(&["other"]), &storage(6, 6)).contains("listed but described nowhere"));
    assert!(told(&keys(&[]), &storage(6, 6)).contains("is not in the file"));
    let twice = [storage(6, 6), storage(6, 6)].concat();
    assert!(told(&keys(&["k", "k"]), &twice).contains("listed twice"));
    assert!(told(b"\x80\x02}.", &storage(6, 6)).contains("list of its storages is missing"));
    assert!(told(b"\x80\x02]K\x01a.", &storage(6, 6)).contains("something else than keys"));
    let two = object(&[("a", tensor("FloatStorage", 6, NO_PART, 0)), ("b", tensor("HalfStorage", 6, NO_PART, 0))]);
    let said = refusal(&[MAGIC, VERSION, LITTLE, &two, &keys(&["k"]), &storage(6, 6)]);
    assert!(said.contains("described in two ways"), "{said}");
    let unknown = file(tensor("OddStorage", 6, NO_PART, 0));
    assert!(refusal(&whole(&unknown)).contains("unknown class"));
}

#[test]
fn other_machines_and_versions_are_refused() {
    let [object, keys, storage] = &file(tensor("FloatStorage", 6, NO_PART, 0));
    let told = |version: &[u8], machine: &[u8]| refusal(&[MAGIC, version, machine, object, keys, storage]);
    assert!(told(b"\x80\x02M\xea\x03.", LITTLE).contains("1001 expected"));
    assert!(told(VERSION, b"\x80\x02}X\x0d\0\0\0little_endian\x89s.").contains("big-endian"));
    assert!(told(VERSION, b"\x80\x02}.").contains("byte order"));
    assert!(told(VERSION, b"\x80\x02].").contains("no dict"));
}

#[test]
fn dicts_that_hold_themselves_end() {
    // d = {}; d["model"] = d; d["state_dict"] = d
    let cycle = [b"\x80\x02}q\0", &text("model")[..], b"h\0s", &text("state_dict"), b"h\0s."].concat();
    let said = refusal(&[MAGIC, VERSION, LITTLE, &cycle, &keys(&[]), b""]);
    assert!(said.contains("it holds no tensors"), "{said}");
    // With a tensor in it, it is found.
    let tensor = tensor("FloatStorage", 6, NO_PART, 0);
    let cycle = [b"\x80\x02}q\0", &text("model")[..], b"h\0s", &text("w"), &tensor, b"s."].concat();
    let found = read(&[MAGIC, VERSION, LITTLE, &cycle, &keys(&["k"]), &storage(6, 6)]).unwrap();
    assert_eq!((found.nesting(), found.names().collect::<Vec<_>>()), (None, vec!["w"]));
}
