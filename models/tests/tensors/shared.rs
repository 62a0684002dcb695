//! Small files that name one thing many times, or let entries of an archive share their bytes: refused, at a cost by the file's size.

use std::fs;
use std::io::Write;
use std::path::Path;

use mien_models::ModelError;
use mien_models::tensor::NamedTensors;

use super::message;

const REBUILD: &[u8] = b"ctorch._utils\n_rebuild_tensor_v2\n";

fn text(s: &str) -> Vec<u8> {
    [b"X", &(s.len() as u32).to_le_bytes()[..], s.as_bytes()].concat()
}

/// A tensor of all `elements` f32 of the storage "0".
fn tensor(elements: u32) -> Vec<u8> {
    let count = elements.to_le_bytes();
    let storage =
        [b"(", &text("storage")[..], b"ctorch\nFloatStorage\n", &text("0"), &text("cpu"), b"J", &count, b"tQ"];
    [REBUILD, b"(", &storage.concat(), b"K\0J", &count, b"\x85K\x01\x85\x89}tR"].concat()
}

/// An archive as torch.save lays it out, compressed, its one storage holding zeros.
fn archive(path: &Path, program: &[u8], storage: usize) {
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
    zip.start_file("archive/data.pkl", options).unwrap();
    zip.write_all(program).unwrap();
    zip.start_file("archive/data/0", options).unwrap();
    zip.write_all(&vec![0; storage]).unwrap();
    zip.finish().unwrap();
}

fn read(program: &[u8], storage: usize) -> Result<NamedTensors, ModelError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.pt");
    archive(&path, program, storage);
    NamedTensors::open(&path)
}

fn refusal(program: &[u8], storage: usize) -> String {
    match read(program, storage) {
        Err(error @ ModelError::Format { .. }) => message(&error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn compressed_zeros_are_read_where_their_tensor_declares_them() {
    let program = [b"\x80\x02}", &text("w")[..], &tensor(1 << 20), b"s."].concat();
    let tensors = read(&program, 4 << 20).unwrap();
    assert!(tensors.get("w", &[1 << 20]).unwrap().iter().all(|v| *v == 0.0));
    assert!(refusal(&program, (4 << 20) + 4).contains("expected"), "a storage of another length is not inflated");
    assert!(refusal(&program, 4).contains("expected"));
}

#[test]
fn dicts_that_share_one_list_are_not_gone_through_for_each() {
    // A list of a hundred thousand pairs, and dicts made of it in each other under every key that is looked under.
    let list = [b"](K\0K\0\x86q\x03", &b"h\x03".repeat(100_000)[..], b"eq\x04"].concat();
    let dict = |inner: &[u8]| [b"h\x02(h\x04tR", inner].concat();
    let keys = ["state_dict", "model", "model_state_dict", "net", "network", "module", "checkpoint"];
    let mut nested = dict(b"");
    for _ in 0..3 {
        let inner: Vec<u8> = keys.iter().flat_map(|key| [&text(key)[..], &nested, b"s"].concat()).collect();
        nested = dict(&inner);
    }
    let program = [b"\x80\x02ccollections\nOrderedDict\nq\x020", &list[..], b"0", &nested, b"."].concat();
    let said = refusal(&program, 4);
    assert!(said.contains("so often"), "{said}");
    assert!(said.len() < 1000);
}

#[test]
fn names_without_end_and_names_of_one_storage_without_end_are_refused() {
    let long = "n".repeat(100_000);
    let program = [b"\x80\x02}", &text(&long)[..], &tensor(6), b"s."].concat();
    let said = refusal(&program, 24);
    assert!(said.contains("100000 bytes") && said.len() < 1000, "{said}");
    // One tensor under many names: a network of any size would come out of a few bytes.
    let named = |count: usize, elements: u32| {
        let first = [&text("0")[..], &tensor(elements), b"q\x05s"].concat();
        let others: Vec<u8> = (1..count).flat_map(|n| [&text(&n.to_string())[..], b"h\x05s"].concat()).collect();
        [b"\x80\x02}", &first[..], &others, b"."].concat()
    };
    let said = refusal(&named(3000, 1 << 10), 4 << 10);
    assert!(said.contains("too often"), "{said}");
    // Weights that a few names share are what tied layers are.
    assert_eq!(read(&named(4, 1 << 16), 4 << 16).unwrap().len(), 4);
}

#[test]
fn messages_do_not_repeat_what_a_file_says_without_end() {
    let class = "c".repeat(100_000);
    let object = [b"\x80\x02c", class.as_bytes(), b"\nx\n)R."].concat();
    assert!(refusal(&object, 4).len() < 1000);
    let keys: Vec<u8> = (0..9).flat_map(|_| [&text(&class)[..], b"K\0s"].concat()).collect();
    assert!(refusal(&[b"\x80\x02}", &keys[..], b"."].concat(), 4).len() < 2000);
}

#[test]
fn entries_that_share_bytes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.pt");
    let program = [b"\x80\x02}", &text("w")[..], &tensor(6), b"s."].concat();
    archive(&path, &program, 24);
    NamedTensors::open(&path).unwrap();
    // The place of an entry stands 42 bytes into its record in the central directory: the second is put where the first lies.
    let mut bytes = fs::read(&path).unwrap();
    let central = bytes.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    bytes[central + 42..central + 46].copy_from_slice(&0u32.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let error = NamedTensors::open(&path).unwrap_err();
    assert!(message(&error).contains("share bytes"), "{error}");
}
