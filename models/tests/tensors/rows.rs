//! Stretches of a tensor that is never read as a whole.

use std::path::Path;

use half::{bf16, f16};
use mien_models::ModelError;
use mien_models::tensor::{NamedTensors, Tensor};

use super::{fixture, message, values};

/// A safetensors file with one tensor [rows, 2], written by hand.
fn written(path: &Path, dtype: &str, data: &[u8], rows: usize) -> NamedTensors {
    let header = format!(r#"{{"data":{{"dtype":"{dtype}","shape":[{rows},2],"data_offsets":[0,{}]}}}}"#, data.len());
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.extend(data);
    std::fs::write(path, bytes).unwrap();
    NamedTensors::open(path).unwrap()
}

#[test]
fn stretches_of_every_float_type_are_read() {
    let folder = tempfile::tempdir().unwrap();
    // More than one block of conversion, and values that every type holds.
    let numbers: Vec<f32> = (0..5000).map(|k| (k % 61) as f32 / 4.0 - 7.0).collect();
    let bytes = |each: &dyn Fn(f32) -> Vec<u8>| numbers.iter().flat_map(|&v| each(v)).collect::<Vec<u8>>();
    for (dtype, data) in [
        ("F16", bytes(&|v| f16::from_f32(v).to_le_bytes().to_vec())),
        ("BF16", bytes(&|v| bf16::from_f32(v).to_le_bytes().to_vec())),
        ("F32", bytes(&|v| v.to_le_bytes().to_vec())),
        ("F64", bytes(&|v| f64::from(v).to_le_bytes().to_vec())),
    ] {
        let tensors = written(&folder.path().join(dtype), dtype, &data, 2500);
        assert_eq!(tensors.element_type("data").as_deref(), Some(dtype.to_lowercase().as_str()));
        for (first, length) in [(0, 5000), (0, 0), (1, 3), (4999, 1), (1234, 2345), (5000, 0)] {
            let mut out = vec![f32::NAN; length];
            tensors.read_into("data", first, &mut out).unwrap();
            assert_eq!(out, numbers[first..first + length], "{dtype}, {length} from {first}");
        }
    }
}

#[test]
fn stretches_that_leave_the_tensor_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tensors = written(&folder.path().join("t"), "F32", &[0; 24], 3);
    for (first, length) in [(0, 7), (6, 1), (usize::MAX, 1), (usize::MAX / 4, 2)] {
        let mut out = vec![0.0; length];
        let error = tensors.read_into("data", first, &mut out).unwrap_err();
        assert!(matches!(error, ModelError::Contract { .. }), "{error}");
        assert!(message(&error).contains("[3, 2]"), "{error}");
    }
    assert!(matches!(tensors.read_into("other", 0, &mut []), Err(ModelError::MissingTensor { .. })));
    let integers = written(&folder.path().join("i"), "I64", &[0; 48], 3);
    assert!(message(&integers.read_into("data", 0, &mut [0.0]).unwrap_err()).contains("i64"));
}

#[test]
fn tensors_in_memory_and_views_know_what_they_are() {
    let tensor = Tensor::new([2, 2], vec![1.0, 2.0, 3.0, 4.0]).unwrap();
    let tensors = NamedTensors::from_tensors("test", [("w".to_owned(), tensor)]);
    let mut out = [0.0; 2];
    tensors.read_into("w", 1, &mut out).unwrap();
    assert_eq!(out, [2.0, 3.0]);
    assert!(tensors.read_into("w", 3, &mut out).is_err());
    // A transposed view is not one block: it is refused rather than read in the wrong order.
    let views = NamedTensors::open(&fixture("views.pt")).unwrap();
    let mut refused = 0;
    for name in views.names() {
        let whole = values(&views, name);
        let mut out = vec![0.0; whole.len()];
        match views.read_into(name, 0, &mut out) {
            Ok(()) => assert_eq!(out, whole, "{name}"),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0);
}
