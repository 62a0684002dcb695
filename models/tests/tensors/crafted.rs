//! Files that somebody made to do harm: pickles that call functions, sizes that do not fit, archives that explode.

use std::fs;
use std::io::Write;
use std::path::Path;

use mien_models::ModelError;
use mien_models::tensor::NamedTensors;

use super::message;

const START: &[u8] = b"\x80\x02";
/// A tensor's storage: key "0", the number of f32 elements follows as one byte.
const STORAGE: &[u8] = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK";
const REBUILD: &[u8] = b"ctorch._utils\n_rebuild_tensor_v2\n";

/// Instructions that push an integer.
fn int(n: i64) -> Vec<u8> {
    [&[0x8a, 8][..], &n.to_le_bytes()].concat()
}

fn tuple(items: &[i64]) -> Vec<u8> {
    let items: Vec<u8> = items.iter().flat_map(|&n| int(n)).collect();
    [b"(", &items[..], b"t"].concat()
}

fn text(s: &str) -> Vec<u8> {
    [b"X", &(s.len() as u32).to_le_bytes()[..], s.as_bytes()].concat()
}

/// Instructions that push a tensor in a storage of `held` elements.
fn tensor(held: u8, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let storage = [STORAGE, &[held], b"tQ"].concat();
    [REBUILD, b"(", &storage, &int(offset), &tuple(shape), &tuple(strides), b"\x89}tR"].concat()
}

/// A program that returns a dict with one entry.
fn dict(key: &str, value: &[u8]) -> Vec<u8> {
    [START, b"}", &text(key), value, b"s."].concat()
}

/// An archive as torch.save lays it out, its one storage holding 0, 1, 2, ... as f32.
fn archive(path: &Path, program: &[u8], elements: u8) {
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
    zip.start_file("archive/data.pkl", options).unwrap();
    zip.write_all(program).unwrap();
    zip.start_file("archive/data/0", options.with_alignment(64)).unwrap();
    for k in 0..elements {
        zip.write_all(&f32::from(k).to_le_bytes()).unwrap();
    }
    zip.finish().unwrap();
}

fn read(program: &[u8]) -> Result<NamedTensors, ModelError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crafted.pt");
    archive(&path, program, 6);
    NamedTensors::open(&path)
}

fn refusal(program: &[u8]) -> String {
    match read(program) {
        Err(error @ ModelError::Format { .. }) => message(&error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn crafted_files_are_read_when_they_are_right() {
    // Without this, the refusals below would prove nothing.
    let tensors = read(&dict("w", &tensor(6, 1, &[2, 2], &[1, 2]))).unwrap();
    assert_eq!(tensors.get("w", &[2, 2]).unwrap(), [1.0, 3.0, 2.0, 4.0].as_slice());
    // The last of two equal keys stays, as in Python.
    let program =
        [START, b"}", &text("w"), &tensor(6, 0, &[1], &[1]), b"s", &text("w"), &tensor(6, 5, &[1], &[1]), b"s."];
    assert_eq!(read(&program.concat()).unwrap().get("w", &[1]).unwrap(), [5.0].as_slice());
}

#[test]
fn calls_in_a_pickle_are_never_made() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("executed");
    let command = text(&format!("touch {}", mark.display()));
    let calls = [
        ("system", [b"cposix\nsystem\n(", &command[..], b"tR"].concat()),
        ("system", [b"cos\nsystem\n(", &command[..], b"tR"].concat()),
        ("Popen", [b"csubprocess\nPopen\n(", &command[..], b"t\x81"].concat()),
        ("exec", [&text("builtins")[..], &text("exec"), b"\x93(", &command, b"tR"].concat()),
    ];
    for (name, call) in calls {
        // Alone it is an object of some class, beside weights it is passed over, in a weight's place it is no weight.
        assert!(refusal(&[START, &call, b"."].concat()).contains(name));
        let beside = [START, b"}", &text("a"), &call, b"s", &text("w"), &tensor(6, 0, &[6], &[1]), b"s."].concat();
        let tensors = read(&beside).unwrap();
        assert_eq!(tensors.names().collect::<Vec<_>>(), ["w"]);
        assert!(refusal(&dict("w", &call)).contains("no tensors"));
        // As storage or state of a tensor.
        let hidden = [REBUILD, b"(", &call, b"K\x00", &tuple(&[1]), &tuple(&[1]), b"\x89}tR"].concat();
        assert!(refusal(&dict("w", &hidden)).contains("storage"));
        let state = [&tensor(6, 0, &[6], &[1])[..], &call, b"b"].concat();
        assert_eq!(read(&dict("w", &state)).unwrap().get("w", &[6]).unwrap()[5], 5.0);
    }
    assert!(!mark.exists());
}

#[test]
fn tensors_that_leave_their_storage_are_refused() {
    for (held, offset, shape, strides) in [
        (6, 0, &[7][..], &[1][..]),
        (6, 1, &[6], &[1]),
        (6, 6, &[1], &[1]),
        (6, -1, &[1], &[1]),
        (6, 0, &[-1], &[1]),
        (6, 0, &[2], &[-1]),
        (6, 0, &[2], &[6]),
        (6, 0, &[2], &[i64::MAX]),
        (6, i64::MAX, &[1], &[1]),
        (6, i64::MAX, &[2], &[i64::MAX]),
        (6, 0, &[i64::MAX, i64::MAX], &[1, 1]),
        (6, 0, &[1 << 32, 1 << 32], &[0, 0]),
        (6, 0, &[1 << 40], &[0]),
        (6, 0, &[3, 3], &[0, 1]),
        (6, 0, &[2, 3], &[3]),
        (6, 0, &[1; 17], &[1; 17]),
        // The storage's announced length against the entry's.
        (5, 0, &[5], &[1]),
        (200, 0, &[200], &[1]),
    ] {
        let reason = refusal(&dict("weight", &tensor(held, offset, shape, strides)));
        assert!(reason.contains("weight"), "{reason}");
    }
}

#[test]
fn odd_but_lawful_shapes_are_read_without_arithmetic_going_wrong() {
    for (offset, shape, strides, expected) in [
        (5, &[1, 1][..], &[i64::MAX, i64::MAX][..], &[5.0][..]),
        (0, &[], &[], &[0.0]),
        (i64::MAX, &[0, i64::MAX], &[i64::MAX, i64::MAX], &[]),
        (0, &[i64::MAX, i64::MAX, 0], &[1, 1, 1], &[]),
        (0, &[2, 1, 3], &[1, i64::MAX, 2], &[0.0, 2.0, 4.0, 1.0, 3.0, 5.0]),
    ] {
        let tensors = read(&dict("w", &tensor(6, offset, shape, strides))).unwrap();
        let shape: Vec<usize> = shape.iter().map(|&n| n as usize).collect();
        assert_eq!(tensors.get("w", &shape).unwrap(), expected, "{shape:?}");
    }
    // A type that is not read may claim anything: it is never read.
    let storage = b"(X\x07\0\0\0storagectorch\nComplexFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x06tQ";
    let (huge, one) = (tuple(&[i64::MAX, i64::MAX]), tuple(&[1, 1]));
    let program = [REBUILD, b"(", storage, &int(0), &huge, &one, b"\x89}tR"].concat();
    let tensors = read(&dict("w", &program)).unwrap();
    let shape = tensors.shape("w").unwrap().to_vec();
    assert!(matches!(tensors.get("w", &shape), Err(ModelError::TensorDtype { .. })));
}

#[test]
fn malformed_programs_are_refused() {
    for (program, expected) in [
        (&b""[..], "ends in the middle"),
        (b"\x80\x02", "ends in the middle"),
        (b"\x80\x01.", "protocol"),
        (b"\x80\x02.", "stack is empty"),
        (b"\x80\x02}(.", "stack is empty"),
        (b"\x80\x02(K\x01t0t.", "no mark"),
        (b"\x80\x02}(K\x01u.", "a key without a value"),
        (b"\x80\x02h\x07.", "memo"),
        (b"\x80\x02j\xff\xff\xff\xff.", "memo"),
        (b"\x80\x02X\xff\xff\xff\xffabc.", "ends in the middle"),
        (b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.", "ends in the middle"),
        (b"\x80\x02\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc.", "ends in the middle"),
        (b"\x80\x02\x8b\xff\xff\xff\xff.", "ends in the middle"),
        (b"\x80\x02K\x01K\x02\x93.", "no text"),
        (b"\x80\x02cno newline", "ends in the middle"),
        (b"\x80\x02c\xff\n\xff\n.", "UTF-8"),
        (b"\x80\x02I1\n.", "none of the formats"),
        (b"\x80\x02\x82\x01.", "none of the formats"),
        (b"\x80\x02].", "no dict"),
        (b"\x80\x02}.", "no tensors"),
        (b"\x80\x02]q\x00h\x00a.", "no dict"),
        (b"\x80\x02}q\x00X\x05\0\0\0modelh\x00s.", "no tensors"),
    ] {
        let reason = refusal(program);
        assert!(reason.contains(expected), "{program:?}: {reason}");
    }
}

#[test]
fn programs_that_would_take_memory_without_end_are_refused() {
    let repeated = |byte: &[u8], n: usize| [START, &byte.repeat(n)[..], b"."].concat();
    assert!(refusal(&repeated(b"N", 3 << 20)).contains("too deep"));
    assert!(refusal(&repeated(b"N0", 3 << 20)).contains("too many values"));
    assert!(refusal(&repeated(b"(", 3 << 20)).contains("too deep"));
    assert!(refusal(&[START, b"N", &b"2".repeat(3 << 20)[..], b"."].concat()).contains("too deep"));
    assert!(refusal(&repeated(b"N0", 9 << 20)).contains("at most"));
    // A million lists in each other: neither reading nor dropping may recurse.
    assert!(
        refusal(&[START, &b"]".repeat(1 << 19)[..], &b"a".repeat((1 << 19) - 1), b"."].concat()).contains("no dict")
    );
    assert!(refusal(&[START, b"N", &b"\x85".repeat(1 << 20)[..], b"."].concat()).contains("no dict"));
}

#[test]
fn wrapped_parameters_are_followed_to_a_limit() {
    let wrap = |inner: Vec<u8>| [b"ctorch._utils\n_rebuild_parameter\n(", &inner[..], b"\x88}tR"].concat();
    let plain = tensor(6, 0, &[6], &[1]);
    assert!(read(&dict("w", &wrap(plain.clone()))).unwrap().contains("w"));
    let deep = (0..1000).fold(plain, |inner, _| wrap(inner));
    assert!(refusal(&dict("w", &deep)).contains("no tensors"));
}

#[test]
fn archives_that_explode_are_refused_before_they_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.pt");
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    zip.start_file("archive/data.pkl", options).unwrap();
    // 20 MB of one byte take 20 kB: more than any state dict's pickle needs.
    zip.write_all(&vec![b'N'; 20 << 20]).unwrap();
    zip.finish().unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 100_000);
    let error = NamedTensors::open(&path).unwrap_err();
    assert!(message(&error).contains("at most"), "{error}");

    // An entry that announces 4 GB and holds a few bytes: the announced size stands in the central directory.
    archive(&path, &dict("w", &tensor(6, 0, &[6], &[1])), 6);
    let mut bytes = fs::read(&path).unwrap();
    let central = bytes.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    for (method, size) in [(0u16, 0xFFFF_FFF0u32), (8, 0xFFFF_FFF0), (8, 24_000)] {
        bytes[central + 10..central + 12].copy_from_slice(&method.to_le_bytes());
        bytes[central + 24..central + 28].copy_from_slice(&size.to_le_bytes());
        fs::write(&path, &bytes).unwrap();
        let error = NamedTensors::open(&path).unwrap_err();
        assert!(matches!(error, ModelError::Format { .. }), "{error}");
        message(&error);
    }
}

#[test]
fn hostile_safetensors_headers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crafted.safetensors");
    let one = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let write = |length: u64, header: &str, data: usize| {
        let bytes = [&length.to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat();
        fs::write(&path, bytes).unwrap();
        NamedTensors::open(&path)
    };
    assert_eq!(write(one.len() as u64, one, 4).unwrap().get("a", &[1]).unwrap(), [0.0].as_slice());
    for length in [0, 1, one.len() as u64 + 1, 1 << 20, 1 << 40, u64::MAX] {
        assert!(matches!(write(length, one, 4), Err(ModelError::Format { .. })), "length {length}");
    }
    assert!(write(one.len() as u64, one, 3).is_err());
    assert!(write(one.len() as u64, one, 5).is_err());
    let max = usize::MAX;
    for header in [
        r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#.to_string(),
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#.into(),
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#.into(),
        r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#.into(),
        r#"{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}"#.into(),
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#.into(),
        format!(r#"{{"a":{{"dtype":"F32","shape":[{max},{max}],"data_offsets":[0,4]}}}}"#),
        format!(r#"{{"a":{{"dtype":"F32","shape":[{max},0,{max}],"data_offsets":[0,4]}}}}"#),
        // The library's own sum of header and data lengths would overflow here.
        format!(r#"{{"a":{{"dtype":"U8","shape":[{max}],"data_offsets":[0,{max}]}}}}"#),
        format!(r#"{{"a":{}"#, "[".repeat(100_000)),
        "{".into(),
        "{}".into(),
        "[]".into(),
    ] {
        let error = write(header.len() as u64, &header, 4).unwrap_err();
        assert!(matches!(error, ModelError::Format { .. }), "{header}: {error}");
        message(&error);
    }
}
