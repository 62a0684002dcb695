//! MA-Net against the original PyTorch module, and what it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use mien_models::manet::{FACE_CHANNELS, FACE_SIDE, Manet, ManetConfig, ManetOutput, build, parameters, recognise};
use mien_models::tensor::{NamedTensors, Tensor, TensorSpec, formula, write_safetensors};
use mien_models::{ModelError, Result};
use mien_tests::{Golden, golden_files, number, relative_difference};

/// Small enough for quick tests; every kind of layer is there.
const SMALL: ManetConfig = ManetConfig { width: 8, classes: 5 };

fn faces(seed: u64, count: usize) -> Tensor {
    let shape = [count, FACE_CHANNELS, FACE_SIDE, FACE_SIDE];
    Tensor::new(shape, formula::fill(seed, "input.face", &shape)).unwrap()
}

fn face(faces: &Tensor, i: usize) -> Tensor {
    let size = FACE_CHANNELS * FACE_SIDE * FACE_SIDE;
    let data = faces.data()[i * size..(i + 1) * size].to_vec();
    Tensor::new([1, FACE_CHANNELS, FACE_SIDE, FACE_SIDE], data).unwrap()
}

fn network(config: &ManetConfig, seed: u64, folder: &Path) -> Manet {
    let path = folder.join("manet.onnx");
    let tensors = recognise(config, NamedTensors::formula(seed, &parameters(config))).unwrap();
    build(config, &tensors, &path).unwrap();
    Manet::load(&path, config).unwrap()
}

#[test]
fn outputs_are_those_of_the_original_module() {
    for (file, golden) in golden_files(Golden::Manet) {
        let (seed, batch): (u64, usize) = (number(&golden, "seed"), number(&golden, "batch"));
        let config = ManetConfig { classes: number(&golden, "classes"), ..ManetConfig::PUBLISHED };
        let folder = tempfile::tempdir().unwrap();
        let mut manet = network(&config, seed, folder.path());
        let ManetOutput { embedding, logits_1, logits_2 } = manet.run(&faces(seed, batch)).unwrap();
        for (name, ours) in [("embedding", embedding), ("logits_1", logits_1), ("logits_2", logits_2)] {
            let theirs = golden.get(name, ours.shape()).unwrap();
            let error = relative_difference(ours.data(), &theirs);
            println!("{}: {name} {:?}: {error:.1e} of its largest value", file.display(), ours.shape());
            assert!(error <= 1e-4, "{}: {name} differs by {error:e} of its largest value", file.display());
        }
    }
}

#[test]
fn parameters_are_the_original_modules_state() {
    for (_, golden) in golden_files(Golden::Manet) {
        let config = ManetConfig { classes: number(&golden, "classes"), ..ManetConfig::PUBLISHED };
        let names: Vec<(String, Vec<usize>)> = serde_json::from_str(&golden.metadata()["names"]).unwrap();
        let ours: Vec<_> = parameters(&config).into_iter().map(|s| (s.name, s.shape)).collect();
        assert_eq!(ours, names);
    }
}

#[test]
fn a_face_does_not_depend_on_its_batch() {
    let folder = tempfile::tempdir().unwrap();
    let mut manet = network(&SMALL, 3, folder.path());
    let pair = faces(3, 2);
    let together = manet.run(&pair).unwrap();
    assert_eq!(together.embedding.shape(), [2, SMALL.embedding()]);
    assert_eq!(together.logits_2.shape(), [2, SMALL.classes]);
    assert_ne!(together.embedding.row(0), together.embedding.row(1));
    for i in 0..2 {
        let alone = manet.run(&face(&pair, i)).unwrap();
        assert_eq!(alone.embedding.row(0), together.embedding.row(i), "face {i}");
        assert_eq!(alone.logits_1.row(0), together.logits_1.row(i), "face {i}");
        assert_eq!(alone.logits_2.row(0), together.logits_2.row(i), "face {i}");
    }
    let forked = manet.fork().unwrap().run(&pair).unwrap();
    assert_eq!(forked, together);
}

#[test]
fn no_faces_give_no_rows() {
    let folder = tempfile::tempdir().unwrap();
    let mut manet = network(&SMALL, 3, folder.path());
    let output = manet.run(&Tensor::zeros([0, FACE_CHANNELS, FACE_SIDE, FACE_SIDE])).unwrap();
    assert_eq!(output.embedding.shape(), [0, SMALL.embedding()]);
}

#[test]
fn faces_that_cannot_be_are_refused_and_the_network_stays_usable() {
    let folder = tempfile::tempdir().unwrap();
    let mut manet = network(&SMALL, 3, folder.path());
    let one = faces(3, 1);
    let before = manet.run(&one).unwrap();
    for shape in [vec![1, 3, 112, 112], vec![3, 224, 224], vec![1, 1, 224, 224]] {
        let error = manet.run(&Tensor::zeros(shape)).unwrap_err();
        assert!(matches!(error, ModelError::Contract { .. }), "{error}");
        assert!(error.to_string().contains("[N, 3, 224, 224]"), "{error}");
    }
    let mut data = one.data().to_vec();
    data[70_000] = f32::NAN;
    let error = manet.run(&Tensor::new(one.shape(), data).unwrap()).unwrap_err();
    assert!(matches!(error, ModelError::NotFinite { index: 70_000, .. }), "{error}");
    assert_eq!(manet.run(&one).unwrap(), before);
}

/// A set of tensors in memory, to be damaged.
fn checkpoint(config: &ManetConfig) -> Vec<(String, Tensor)> {
    let fill = |s: TensorSpec| {
        let data = formula::fill(3, &s.name, &s.shape);
        (s.name, Tensor::new(s.shape, data).unwrap())
    };
    parameters(config).into_iter().map(fill).collect()
}

/// What becomes of `tensors` on their way to a graph.
fn take(tensors: Vec<(String, Tensor)>) -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manet.onnx");
    let tensors = recognise(&SMALL, NamedTensors::from_tensors("a checkpoint", tensors))?;
    let built = build(&SMALL, &tensors, &path);
    assert_eq!(path.exists(), built.is_ok(), "a refused network leaves no file");
    built
}

fn replace(tensors: &mut [(String, Tensor)], name: &str, tensor: Tensor) {
    tensors.iter_mut().find(|(n, _)| n == name).unwrap().1 = tensor;
}

#[test]
fn other_checkpoints_are_refused_by_key() {
    assert!(take(checkpoint(&SMALL)).is_ok());

    let mut tensors = checkpoint(&SMALL);
    tensors.retain(|(name, _)| name != "layer4_2.1.bn2_2_3.running_var");
    let error = take(tensors).unwrap_err();
    assert!(
        matches!(&error, ModelError::MissingTensor { key, .. } if key == "layer4_2.1.bn2_2_3.running_var"),
        "{error}"
    );

    let mut tensors = checkpoint(&SMALL);
    replace(&mut tensors, "layer3_1_p2.0.cbam.ChannelGate.mlp.1.weight", Tensor::zeros([32, 2]));
    let error = take(tensors).unwrap_err();
    assert!(matches!(&error, ModelError::TensorShape { found, .. } if found == &[32, 2]), "{error}");

    let mut tensors = checkpoint(&SMALL);
    tensors.push(("layer5.0.conv1.weight".into(), Tensor::zeros([1])));
    let error = take(tensors).unwrap_err();
    assert!(matches!(&error, ModelError::ExtraTensor { key, .. } if key == "layer5.0.conv1.weight"), "{error}");

    let mut tensors = checkpoint(&SMALL);
    let mut data = tensors[0].1.data().to_vec();
    data[9] = f32::INFINITY;
    let shape = tensors[0].1.shape().to_vec();
    replace(&mut tensors, "conv1.weight", Tensor::new(shape, data).unwrap());
    let error = take(tensors).unwrap_err();
    assert!(matches!(error, ModelError::NotFinite { index: 9, .. }), "{error}");

    let mut tensors = checkpoint(&SMALL);
    replace(&mut tensors, "bn1.running_var", Tensor::new([8], vec![-1.0; 8]).unwrap());
    let error = take(tensors).unwrap_err();
    assert!(error.to_string().contains("running variance"), "{error}");
}

#[test]
fn the_authors_files_are_taken_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authors.safetensors");
    // Every name wrapped; the batch counters absent.
    let wrapped: Vec<_> = checkpoint(&SMALL)
        .into_iter()
        .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
        .map(|(name, tensor)| (format!("module.{name}"), tensor))
        .collect();
    let specs: Vec<_> = wrapped.iter().map(|(n, t)| TensorSpec::required(n.clone(), t.shape())).collect();
    let set = NamedTensors::from_tensors("a checkpoint", wrapped);
    write_safetensors(&file, &set, &specs, &Default::default()).unwrap();

    let opened = NamedTensors::open(&file).unwrap();
    let config = ManetConfig::of(&opened).unwrap();
    assert_eq!(config, SMALL);
    let path = folder.path().join("authors.onnx");
    build(&config, &recognise(&config, opened).unwrap(), &path).unwrap();
    let mut theirs = Manet::load(&path, &config).unwrap();
    let mut ours = network(&SMALL, 3, folder.path());
    assert_eq!(theirs.run(&faces(1, 1)).unwrap(), ours.run(&faces(1, 1)).unwrap());
}

#[test]
fn a_graph_of_other_sizes_is_not_loaded() {
    let folder = tempfile::tempdir().unwrap();
    drop(network(&SMALL, 3, folder.path()));
    let other = ManetConfig { classes: SMALL.classes + 1, ..SMALL };
    let error = Manet::load(&folder.path().join("manet.onnx"), &other).err().expect("another contract");
    assert!(matches!(error, ModelError::Contract { .. }), "{error}");
    for config in [
        ManetConfig { width: 6, classes: 7 },
        ManetConfig { width: 0, classes: 7 },
        ManetConfig { width: 8, classes: 0 },
    ] {
        assert!(matches!(config.validate(), Err(ModelError::Config { .. })), "{config:?}");
    }
}
