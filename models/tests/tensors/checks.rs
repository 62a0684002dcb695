//! Holding a set of tensors against what an architecture expects.

use mien_models::ModelError;
use mien_models::tensor::{NamedTensors, Tensor, TensorSpec};

use super::{message, open};

fn set(names: &[&str]) -> NamedTensors {
    let tensor = |name: &&str| (name.to_string(), Tensor::new([2], vec![1.0, name.len() as f32]).unwrap());
    NamedTensors::from_tensors("a test", names.iter().map(tensor))
}

fn specs(names: &[&str]) -> Vec<TensorSpec> {
    names.iter().map(|name| TensorSpec::required(*name, [2])).collect()
}

#[test]
fn a_set_that_fits_passes_with_or_without_its_optional_tensors() {
    let mut expected = specs(&["a", "b"]);
    expected.push(TensorSpec::optional("c", [2]));
    set(&["a", "b"]).check("test", &expected).unwrap();
    set(&["a", "b", "c"]).check("test", &expected).unwrap();
}

#[test]
fn missing_tensors_are_named_in_the_order_of_the_architecture() {
    let error = set(&["b"]).check("test", &specs(&["z", "b", "a"])).unwrap_err();
    assert!(matches!(&error, ModelError::MissingTensor { key, expected, .. } if key == "z" && expected == &[2]));
    assert_eq!(
        message(&error),
        "a test: tensor z is missing, expected shape [2]; is this the checkpoint of another model?"
    );
    let error = set(&["b"]).get("z", &[2]).unwrap_err();
    assert!(matches!(&error, ModelError::MissingTensor { key, .. } if key == "z"));
}

#[test]
fn extra_tensors_are_named_in_sorted_order() {
    let error = set(&["y", "a", "x"]).check("test", &specs(&["a"])).unwrap_err();
    assert!(matches!(&error, ModelError::ExtraTensor { key, architecture: "test", .. } if key == "x"), "{error}");
    // Names come from files: one that holds control characters must not break the line.
    message(&set(&["evil\n\u{1b}[2J"]).check("test", &[]).unwrap_err());
}

#[test]
fn misshapen_tensors_are_named_with_both_shapes() {
    let wrong = |shape: &[usize]| [TensorSpec::required("a", [2]), TensorSpec::optional("b", shape)];
    let tensors = set(&["a", "b"]);
    // An optional tensor may be absent but not of another shape; equal element counts do not help.
    for shape in [&[3][..], &[2, 1], &[1, 2], &[]] {
        let error = tensors.check("test", &wrong(shape)).unwrap_err();
        assert!(
            matches!(&error, ModelError::TensorShape { key, expected, found, .. }
                if key == "b" && expected == shape && found == &[2]),
            "{error}"
        );
        assert!(matches!(tensors.get("b", shape), Err(ModelError::TensorShape { .. })));
    }
}

#[test]
fn integers_may_stand_where_the_tensor_is_optional_but_not_where_it_is_required() {
    let mut tensors = open("plain.pt");
    tensors.retain(|name| name.contains("num_batches"));
    tensors.check("test", &[TensorSpec::optional("1.num_batches_tracked", [])]).unwrap();
    let error = tensors.check("test", &[TensorSpec::required("1.num_batches_tracked", [])]).unwrap_err();
    assert!(matches!(&error, ModelError::TensorDtype { found, .. } if found == "i64"), "{error}");
}

#[test]
fn the_first_prefix_that_fits_is_removed_once() {
    let tensors = set(&["module.model.a", "module.b", "model.model.c", "d", "modelling", "model."]);
    let tensors = tensors.strip_prefixes(&["", "module.model.", "model.", "module."]);
    assert_eq!(tensors.names().collect::<Vec<_>>(), ["a", "b", "d", "model.", "model.c", "modelling"]);
}

#[test]
fn no_tensor_is_lost_when_prefixes_make_names_equal() {
    let tensors = set(&["a", "model.a", "model.b", "module.b"]).strip_prefixes(&["model.", "module."]);
    assert_eq!(tensors.names().collect::<Vec<_>>(), ["a", "b", "model.a", "module.b"]);
    // Values tell the tensors apart: each holds the length of its first name.
    for (name, length) in [("a", 1.0), ("model.a", 7.0), ("b", 7.0), ("module.b", 8.0)] {
        assert_eq!(tensors.get(name, &[2]).unwrap()[1], length, "{name}");
    }
}

#[test]
fn tensors_in_memory_are_held_to_finite_numbers_too() {
    // Far enough in that block-wise and element-wise search must agree on the index.
    let mut data = vec![0.5; 10_000];
    data[8191] = f32::NEG_INFINITY;
    data[9000] = f32::NAN;
    let tensor = Tensor::new([10_000], data).unwrap();
    assert_eq!(tensor.first_not_finite(), Some((8191, f32::NEG_INFINITY)));
    let tensors = NamedTensors::from_tensors("a test", [("a".to_string(), tensor)]);
    assert!(matches!(tensors.get("a", &[10_000]), Err(ModelError::NotFinite { index: 8191, .. })));
}
