//! Files that were cut off or changed on their way.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mien_models::ModelError;
use mien_models::tensor::NamedTensors;

use super::{fixture, message};

const TORCH_FILES: [&str; 6] = ["plain.pt", "protocol4.pt", "nested.pt", "recorder.pth", "views.pt", "parameters.pt"];

/// All float tensors of a file as bits, or the first error.
fn contents(path: &Path) -> Result<BTreeMap<String, Vec<u32>>, ModelError> {
    let tensors = NamedTensors::open(path)?;
    let mut all = BTreeMap::new();
    for name in tensors.names() {
        let shape = tensors.shape(name).unwrap();
        match tensors.get(name, shape) {
            Ok(values) => {
                assert_eq!(values.len(), shape.iter().product::<usize>());
                assert!(values.iter().all(|v| v.is_finite()));
                all.insert(name.to_string(), values.iter().map(|v| v.to_bits()).collect());
            }
            Err(ModelError::TensorDtype { .. }) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(all)
}

#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    for name in TORCH_FILES.iter().chain(&["expected.safetensors", "legacy.pt"]) {
        let whole = fs::read(fixture(name)).unwrap();
        contents(&fixture(name)).unwrap();
        for length in (0..whole.len()).step_by(97).chain(whole.len() - 30..whole.len()) {
            fs::write(&path, &whole[..length]).unwrap();
            match NamedTensors::open(&path) {
                Err(error @ ModelError::Format { .. }) => drop(message(&error)),
                other => panic!("{name} cut to {length} bytes: {other:?}"),
            }
        }
    }
}

/// SplitMix64, so that every run tries the same changes.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

#[test]
fn a_changed_byte_in_a_pytorch_file_never_changes_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed");
    let mut random = Random(7);
    let (mut refused, mut unharmed) = (0, 0);
    for name in TORCH_FILES {
        let original = contents(&fixture(name)).unwrap();
        let mut bytes = fs::read(fixture(name)).unwrap();
        for _ in 0..400 {
            let (at, mask) = (random.below(bytes.len()), 1 + random.below(255) as u8);
            bytes[at] ^= mask;
            fs::write(&path, &bytes).unwrap();
            bytes[at] ^= mask;
            match contents(&path) {
                // Padding, dates and the like: then everything is as it was.
                Ok(found) => {
                    assert_eq!(found, original, "{name}, byte {at} changed by {mask:#04x}");
                    unharmed += 1;
                }
                Err(error) => {
                    message(&error);
                    refused += 1;
                }
            }
        }
    }
    // Both happen, or the test does not test.
    assert!(refused > 500 && unharmed > 100, "{refused} refused, {unharmed} unharmed");
}

#[test]
fn several_changed_bytes_end_in_an_error_or_in_finite_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed");
    let mut random = Random(11);
    for name in TORCH_FILES.iter().chain(&["no_checksums.pt", "types.pt", "legacy.pt", "expected.safetensors"]) {
        let original = fs::read(fixture(name)).unwrap();
        for round in 0..400 {
            let mut bytes = original.clone();
            // Headers are where the danger is: every other round changes the first part only.
            let reach = if round % 2 == 0 { bytes.len() } else { bytes.len().min(1024) };
            for _ in 0..1 + round % 4 {
                let at = random.below(reach);
                bytes[at] = random.below(256) as u8;
            }
            fs::write(&path, &bytes).unwrap();
            if let Err(error) = contents(&path) {
                message(&error);
            }
        }
    }
}

#[test]
fn files_that_are_something_else_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for (bytes, expected) in [
        (&b""[..], "0 bytes"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x80\x02\x8a\x0a", "bare pickle"),
        (b"{\"weight_map\": {\"a\": 1}}", "JSON"),
        (b"  <html>", "web page"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"some other bytes", "neither"),
        (b"PK\x03\x04", "zip archive"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = NamedTensors::open(&path).unwrap_err();
        assert!(matches!(error, ModelError::Format { .. }), "{error}");
        assert!(message(&error).contains(expected), "{error}");
    }
    let missing = folder.path().join("missing");
    assert!(matches!(NamedTensors::open(&missing), Err(ModelError::Io { path, .. }) if path == missing));
    assert!(matches!(NamedTensors::open(folder.path()), Err(ModelError::Io { .. })));
}
