//! PyTorch files against what PyTorch itself holds in them.

use std::borrow::Cow;
use std::io::{Read, Write};

use mien_models::ModelError;
use mien_models::tensor::{FileFormat, NamedTensors};

use super::{bits, fixture, message, open, values};

#[test]
fn every_float_tensor_equals_what_torch_saved() {
    let expected = open("expected.safetensors");
    let mut files = std::collections::BTreeMap::<&str, NamedTensors>::new();
    for key in expected.names() {
        let (file, name) = key.split_once(':').unwrap();
        let tensors = files.entry(file).or_insert_with(|| open(file));
        let shape = expected.shape(key).unwrap();
        assert_eq!(tensors.shape(name), Some(shape), "{key}");
        assert_eq!(bits(&tensors.get(name, shape).unwrap()), bits(&values(&expected, key)), "{key}");
    }
    assert_eq!(files.len(), 8);
}

#[test]
fn state_dict_is_found_under_its_usual_keys_and_nothing_else_is_taken() {
    assert_eq!(open("plain.pt").nesting(), None);
    assert_eq!(open("parameters.pt").nesting(), Some("model"));
    let nested = open("nested.pt");
    assert_eq!(nested.nesting(), Some("state_dict"));
    // The optimiser's moments have the parameters' shapes; they must not be mistaken for weights.
    let nested = nested.strip_prefixes(&["module.model.", "module.", "model.", ""]);
    let plain = open("plain.pt");
    assert_eq!(nested.names().collect::<Vec<_>>(), plain.names().collect::<Vec<_>>());
}

#[test]
fn foreign_objects_and_counters_beside_the_weights_are_passed_over() {
    let mut tensors = open("recorder.pth").strip_prefixes(&["module."]);
    assert_eq!(tensors.nesting(), Some("state_dict"));
    assert!(!tensors.contains("best_acc"));
    assert_eq!(tensors.integers("1.num_batches_tracked", &[]).unwrap(), [0]);
    tensors.retain(|name| !name.ends_with("num_batches_tracked"));
    assert_eq!(tensors.len(), open("plain.pt").len() - 1);
}

#[test]
fn views_are_walked_in_the_tensors_own_order() {
    // arange(24) as [2, 3, 4]; the laws of the views, independent of the file with expected values.
    let tensors = open("views.pt");
    let at = |i: usize, j: usize, k: usize| (12 * i + 4 * j + k) as f32;
    let transposed = tensors.get("transposed", &[4, 2, 3]).unwrap();
    for (n, value) in transposed.iter().enumerate() {
        assert_eq!(*value, at(n / 3 % 2, n % 3, n / 6));
    }
    assert_eq!(tensors.get("row", &[4]).unwrap(), [20.0, 21.0, 22.0, 23.0].as_slice());
    assert_eq!(tensors.get("column", &[2, 3]).unwrap(), [1.0, 5.0, 9.0, 13.0, 17.0, 21.0].as_slice());
    assert_eq!(tensors.get("scalar", &[]).unwrap(), [17.0].as_slice());
    assert_eq!(tensors.get("empty", &[2, 0, 4]).unwrap().len(), 0);
    // Dense views of one storage are borrowed at their offsets, others are gathered.
    assert!(matches!(tensors.get("row", &[4]).unwrap(), Cow::Borrowed(_)));
    assert!(matches!(tensors.get("transposed", &[4, 2, 3]).unwrap(), Cow::Owned(_)));
}

#[test]
fn mapped_f32_is_borrowed() {
    for (file, name, shape) in [("plain.pt", "0.weight", [4, 3]), ("expected.safetensors", "plain.pt:0.weight", [4, 3])]
    {
        let tensors = open(file);
        assert!(matches!(tensors.get(name, &shape).unwrap(), Cow::Borrowed(_)), "{file}");
    }
}

#[test]
fn element_types_are_converted_or_refused() {
    let tensors = open("types.pt");
    assert_eq!(tensors.integers("long", &[2, 2]).unwrap(), [1, -2, 3, 9_007_199_254_740_993]);
    assert_eq!(tensors.integers("int", &[2]).unwrap(), [-5, 6]);
    assert_eq!(tensors.integers("byte", &[2]).unwrap(), [0, 255]);
    assert_eq!(tensors.integers("bool", &[2]).unwrap(), [1, 0]);
    for (name, shape, found) in [("long", &[2, 2][..], "i64"), ("bool", &[2], "bool"), ("complex", &[1], "unsupported")]
    {
        let error = tensors.get(name, shape).unwrap_err();
        assert!(matches!(&error, ModelError::TensorDtype { key, .. } if key == name), "{error}");
        assert!(message(&error).contains(found), "{error}");
    }
    assert!(matches!(tensors.get("unsigned", &[1]), Err(ModelError::TensorDtype { .. })));
    assert!(matches!(tensors.integers("half", &[2, 3]), Err(ModelError::Contract { .. })));
}

#[test]
fn values_that_are_not_finite_are_refused_with_their_index() {
    let tensors = open("not_finite.pt");
    let error = tensors.get("weight", &[2, 2]).unwrap_err();
    assert!(matches!(&error, ModelError::NotFinite { index: 2, value, .. } if value.is_nan()), "{error}");
    assert!(message(&error).contains("weight"));
    // 1e300 is finite in f64 but not as f32.
    let error = tensors.get("huge", &[1]).unwrap_err();
    assert!(matches!(error, ModelError::NotFinite { index: 0, value: f32::INFINITY, .. }), "{error}");
}

#[test]
fn files_without_a_state_dict_say_what_they_hold() {
    for (file, expected) in [("module.pt", "torch.nn.modules.container"), ("no_tensors.pt", "\"epoch\", \"notes\"")] {
        let error = NamedTensors::open(&fixture(file)).unwrap_err();
        assert!(matches!(error, ModelError::Format { .. }), "{error}");
        assert!(message(&error).contains(expected), "{error}");
        assert!(message(&error).contains(file), "{error}");
    }
}

#[test]
fn the_form_before_torch_1_6_gives_the_same_numbers() {
    let (zip, legacy) = (open("plain.pt"), open("legacy.pt"));
    assert_eq!((zip.format(), legacy.format()), (Some(FileFormat::TorchZip), Some(FileFormat::TorchLegacy)));
    assert_eq!(zip.names().collect::<Vec<_>>(), legacy.names().collect::<Vec<_>>());
    for name in zip.names().filter(|name| !name.ends_with("num_batches_tracked")) {
        assert_eq!(bits(&values(&zip, name)), bits(&values(&legacy, name)), "{name}");
    }
}

#[test]
fn an_archive_that_was_compressed_again_gives_the_same_numbers() {
    let mut original = zip::ZipArchive::new(std::fs::File::open(fixture("views.pt")).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deflated.pt");
    let mut copy = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for index in 0..original.len() {
        let mut entry = original.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        copy.start_file(entry.name().unwrap(), options).unwrap();
        copy.write_all(&bytes).unwrap();
    }
    copy.finish().unwrap();

    let (stored, deflated) = (open("views.pt"), NamedTensors::open(&path).unwrap());
    assert_eq!(stored.len(), deflated.len());
    for name in stored.names() {
        assert_eq!(bits(&values(&stored, name)), bits(&values(&deflated, name)), "{name}");
    }
}
