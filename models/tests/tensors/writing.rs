//! Writing safetensors files.

use std::collections::BTreeMap;
use std::fs;

use mien_models::ModelError;
use mien_models::tensor::{NamedTensors, Tensor, TensorSpec, formula, write_safetensors};

use super::{bits, open};

fn architecture() -> Vec<TensorSpec> {
    vec![
        TensorSpec::required("z.weight", [16, 3, 2]),
        TensorSpec::required("a.bias", [7]),
        TensorSpec::optional("scale", []),
        TensorSpec::required("none", [0, 4]),
    ]
}

fn metadata() -> BTreeMap<String, String> {
    [("seed", "7"), ("note", "quotes \" and\nlines")].map(|(k, v)| (k.to_string(), v.to_string())).into()
}

#[test]
fn what_is_written_is_read_back_here_and_by_the_formats_own_library() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let specs = architecture();
    write_safetensors(&path, &NamedTensors::formula(7, &specs), &specs, &metadata()).unwrap();

    let tensors = NamedTensors::open(&path).unwrap();
    tensors.check("test", &specs).unwrap();
    assert_eq!(tensors.metadata(), &metadata());
    let bytes = fs::read(&path).unwrap();
    let library = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for spec in &specs {
        let expected = formula::fill(7, &spec.name, &spec.shape);
        assert_eq!(bits(&tensors.get(&spec.name, &spec.shape).unwrap()), bits(&expected));
        let view = library.tensor(&spec.name).unwrap();
        assert_eq!(view.shape(), spec.shape);
        assert_eq!(view.data(), expected.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
    }
    // The file alone is left, and it is the same file every time.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    write_safetensors(&path, &NamedTensors::formula(7, &specs), &specs, &metadata()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_pytorch_file_becomes_safetensors_without_its_counters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("converted.safetensors");
    let original = open("plain.pt");
    let specs: Vec<TensorSpec> =
        original.names().map(|name| TensorSpec::optional(name, original.shape(name).unwrap())).collect();
    write_safetensors(&path, &original, &specs, &BTreeMap::new()).unwrap();
    let converted = NamedTensors::open(&path).unwrap();
    assert!(!converted.contains("1.num_batches_tracked"));
    assert_eq!(converted.len(), original.len() - 1);
    for name in converted.names() {
        let shape = original.shape(name).unwrap();
        assert_eq!(bits(&converted.get(name, shape).unwrap()), bits(&original.get(name, shape).unwrap()));
    }
}

#[test]
fn a_write_that_fails_leaves_the_old_file_and_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let specs = [TensorSpec::required("a", [1]), TensorSpec::required("b", [1])];
    let set = |b: f32| {
        let tensor = |v| Tensor::new([1], vec![v]).unwrap();
        NamedTensors::from_tensors("a test", [("a".to_string(), tensor(1.0)), ("b".to_string(), tensor(b))])
    };
    write_safetensors(&path, &set(2.0), &specs, &BTreeMap::new()).unwrap();
    let old = fs::read(&path).unwrap();

    let write = |tensors, specs: &[TensorSpec]| write_safetensors(&path, &tensors, specs, &BTreeMap::new());
    assert!(matches!(write(set(f32::NAN), &specs), Err(ModelError::NotFinite { .. })));
    let missing = [TensorSpec::required("a", [1]), TensorSpec::required("c", [1])];
    assert!(matches!(write(set(2.0), &missing), Err(ModelError::MissingTensor { .. })));
    let twice = [specs[0].clone(), specs[0].clone()];
    assert!(matches!(write(set(2.0), &twice), Err(ModelError::Config { .. })));
    let error = write_safetensors(&folder.path().join("no/such/folder"), &set(2.0), &specs, &BTreeMap::new());
    assert!(matches!(error, Err(ModelError::Io { .. })));

    assert_eq!(fs::read(&path).unwrap(), old);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_open_set_outlives_the_replacement_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let specs = [TensorSpec::required("a.weight", [512, 512])];
    write_safetensors(&path, &NamedTensors::formula(1, &specs), &specs, &BTreeMap::new()).unwrap();
    let old = NamedTensors::open(&path).unwrap();
    let small = [TensorSpec::required("b", [1])];
    write_safetensors(&path, &NamedTensors::formula(2, &small), &small, &BTreeMap::new()).unwrap();
    assert_eq!(bits(&old.get("a.weight", &[512, 512]).unwrap()), bits(&formula::fill(1, "a.weight", &[512, 512])));
    // A set that is written over its own file is read to the end before it is replaced.
    let own = NamedTensors::open(&path).unwrap();
    write_safetensors(&path, &own, &small, &BTreeMap::new()).unwrap();
    assert_eq!(bits(&own.get("b", &[1]).unwrap()), bits(&formula::fill(2, "b", &[1])));
}
