//! MA-Net against the authors' module and the device; its normalisations against their definition.

use std::collections::BTreeMap;

use burn::tensor::{DType, Device, Tensor};
use mien_models::manet::{FACE_CHANNELS, FACE_SIDE, Manet as OnDevice, ManetConfig, build, parameters};
use mien_models::tensor::{NamedTensors, Tensor as Plain, formula};
use mien_trainer::networks::objective::next_token;
use mien_trainer::networks::{Manet, Mode, Norms, Parameters};

use super::{floats, golden, near, number, numbers, slopes};

const SMALL: ManetConfig = ManetConfig { width: 4, classes: 3 };

fn network(config: &ManetConfig, tensors: &NamedTensors, dtype: DType) -> Manet {
    Manet::new(config, tensors, Mode::Learns, &Device::flex().autodiff(), dtype).unwrap()
}

fn faces(seed: u64, count: usize) -> Vec<f32> {
    formula::fill(seed, "input.face", &[count, FACE_CHANNELS, FACE_SIDE, FACE_SIDE])
}

#[test]
fn states_are_those_of_the_authors_module() {
    let golden = golden("manet.safetensors");
    let (seed, batch): (u64, usize) = (number(&golden, "seed"), number(&golden, "batch"));
    let config = ManetConfig { classes: number(&golden, "classes"), ..ManetConfig::PUBLISHED };
    let manet = network(&config, &NamedTensors::formula(seed, &parameters(&config)), DType::F32);
    let states = manet.states(&faces(seed, batch), Norms::Running).unwrap();
    for (name, found) in [("embedding", states.embedding), ("logits_1", states.logits_1), ("logits_2", states.logits_2)]
    {
        near(name, &numbers(found), &floats(&golden, name), 1e-4);
    }
    assert!(states.running.is_empty());
}

/// After some batches have moved the running averages, through the file that the device loads.
#[test]
fn states_are_those_of_the_device() {
    let config = ManetConfig { width: 8, classes: 5 };
    let mut manet = network(&config, &Manet::initial(&config, 3).unwrap(), DType::F32);
    for seed in 0..3 {
        let running = manet.states(&faces(seed, 2), Norms::Batch).unwrap().running;
        let moved = manet.parameters().clone().with_values(&running).unwrap();
        manet = manet.with_parameters(moved);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manet.onnx");
    build(&config, &manet.parameters().named().unwrap(), &path).unwrap();
    let faces = faces(9, 2);
    let shape = [2, FACE_CHANNELS, FACE_SIDE, FACE_SIDE];
    let expected = OnDevice::load(&path, &config).unwrap().run(&Plain::new(shape, faces.clone()).unwrap()).unwrap();
    let states = manet.states(&faces, Norms::Running).unwrap();
    near("embedding", &numbers(states.embedding), expected.embedding.data(), 1e-4);
    near("logits_1", &numbers(states.logits_1), expected.logits_1.data(), 1e-4);
    near("logits_2", &numbers(states.logits_2), expected.logits_2.data(), 1e-4);
}

/// The mean of the first normalisation's input, by a loop over the convolution's definition.
#[test]
fn running_averages_follow_the_batch() {
    let manet = network(&SMALL, &Manet::initial(&SMALL, 3).unwrap(), DType::F32);
    let faces = faces(1, 2);
    let running = manet.states(&faces, Norms::Batch).unwrap().running;
    let statistics = parameters(&SMALL).iter().filter(|s| s.name.contains("running_")).count();
    assert_eq!(running.len(), statistics, "every normalisation moved");
    let kernel = &manet.parameters().values().unwrap()["conv1.weight"];
    let pixel = |n: usize, c: usize, y: i64, x: i64| -> f64 {
        let inside = |v: i64| (0..FACE_SIDE as i64).contains(&v);
        if !inside(y) || !inside(x) {
            return 0.0;
        }
        f64::from(faces[((n * 3 + c) * FACE_SIDE + y as usize) * FACE_SIDE + x as usize])
    };
    let (mut sum, mut squares, count) = (0.0, 0.0, (2 * 112 * 112) as f64);
    for (n, y, x) in (0..2).flat_map(|n| (0..112).flat_map(move |y| (0..112).map(move |x| (n, y, x)))) {
        let mut value = 0.0;
        for (i, weight) in kernel.iter().take(147).enumerate() {
            let (c, ky, kx) = (i / 49, i as i64 % 49 / 7, i as i64 % 7);
            value += f64::from(*weight) * pixel(n, c, 2 * y + ky - 3, 2 * x + kx - 3);
        }
        sum += value;
        squares += value * value;
    }
    let mean = sum / count;
    let variance = (squares - count * mean * mean) / (count - 1.0);
    let near = |found: f32, expected: f64| assert!((f64::from(found) - expected).abs() < 1e-5 * (1.0 + expected.abs()));
    near(running["bn1.running_mean"][0], 0.1 * mean);
    near(running["bn1.running_var"][0], 0.9 + 0.1 * variance);
}

/// Normalised by running averages that hold the batch's own moments, the batch gives what it gave.
#[test]
fn both_kinds_of_norms_agree_where_they_must() {
    let manet = network(&SMALL, &Manet::initial(&SMALL, 3).unwrap(), DType::F32);
    let faces = faces(2, 3);
    let trained = manet.states(&faces, Norms::Batch).unwrap();
    let before = manet.parameters().values().unwrap();
    // An average moved by a tenth of the way to the batch's moments, the variance being that of a larger whole.
    let moments = trained.running.iter().map(|(name, after)| {
        let side = match name.split('.').next().unwrap() {
            "bn1" => 112,
            "layer1" => 56,
            "layer2" => 28,
            "layer3_2" => 14,
            _ => 7,
        };
        let rows = f64::from(3 * side * side);
        let scale = if name.ends_with("running_var") { (rows - 1.0) / rows } else { 1.0 };
        let moved = after.iter().zip(&before[name]).map(|(after, before)| {
            let [after, before] = [after, before].map(|v| f64::from(*v));
            ((before + 10.0 * (after - before)) * scale) as f32
        });
        (name.clone(), moved.collect())
    });
    let moments: BTreeMap<String, Vec<f32>> = moments.collect();
    let settled = manet.parameters().clone().with_values(&moments).unwrap();
    let found = manet.with_parameters(settled).states(&faces, Norms::Running).unwrap();
    near("embedding", &numbers(found.embedding), &numbers(trained.embedding), 1e-3);
}

#[test]
fn slopes_are_those_of_differences() {
    let tensors = Manet::initial(&SMALL, 4).unwrap();
    let [exact, single] = [DType::F64, DType::F32].map(|dtype| network(&SMALL, &tensors, dtype));
    let faces = faces(1, 2);
    let loss = |parameters: Parameters| -> Tensor<1> {
        let states = exact.clone().with_parameters(parameters).states(&faces, Norms::Batch).unwrap();
        let classes = [Some(2), Some(0)];
        next_token(states.logits_1, &classes).unwrap() + next_token(states.logits_2, &classes).unwrap()
    };
    // One direction for each stage and kind of layer: a network's pass per tensor would take minutes.
    let group = |name: &str| {
        let stage = name.split('.').next().unwrap_or_default();
        format!("{stage} {}", if name.contains("cbam") { "gates" } else { "" })
    };
    let checked = slopes::check(exact.parameters(), single.parameters(), [1e-8, 1e-3], group, loss);
    let learned = parameters(&SMALL).iter().filter(|s| s.required && !s.name.contains("running_")).count();
    assert_eq!(checked, learned);
}

#[test]
fn what_does_not_fit_is_refused() {
    let manet = network(&SMALL, &Manet::initial(&SMALL, 3).unwrap(), DType::F32);
    for pixels in [0, 100, 3 * 224 * 224 + 1] {
        assert!(manet.states(&vec![0.0; pixels], Norms::Running).unwrap_err().to_string().contains("224"));
    }
    assert!(Manet::initial(&ManetConfig { width: 6, classes: 3 }, 1).is_err());
    let empty: BTreeMap<String, Vec<f32>> = BTreeMap::from([("bn1.running_mean".to_owned(), vec![0.0; 3])]);
    assert!(manet.parameters().clone().with_values(&empty).is_err());
}
