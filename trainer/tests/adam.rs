//! Ten steps of the trainer against ten steps of PyTorch's Adam.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod formula_data;

use burn::tensor::Device;
use formula_data::TrainingGolden;
use mien_models::fusion::parameters;
use mien_trainer::model::Dropout;
use mien_trainer::train::{Learner, Place};

#[test]
fn ten_steps_end_in_the_weights_of_pytorch() {
    let golden = TrainingGolden::open();
    let mut experiment = golden.experiment();
    experiment.dropout = Dropout::NONE;
    experiment.schedule.warmup = 0;
    experiment.optimiser.rate = golden.number("rate");
    experiment.optimiser.weight_decay = golden.number("weight_decay");
    let specs = parameters(&experiment.network.fusion());
    let mut learner = Learner::new(&experiment, Some(golden.weights()), 42, &Device::flex()).unwrap();
    let before = learner.values().clone();
    let batch = golden.batch();
    let mut totals = Vec::new();
    for step in 0..golden.number("steps") as u64 {
        totals.push(learner.step(&batch, Place { epoch: 0, step }).unwrap()[0]);
    }
    assert!(totals.windows(2).all(|pair| pair[1] < pair[0]), "each step on one batch lowers its loss: {totals:?}");

    let (mut worst, mut moved) = (0f64, 0);
    for spec in &specs {
        let values: Vec<f64> = learner.values()[&spec.name].iter().map(|v| f64::from(*v)).collect();
        let n = values.len();
        let [first, middle, last, sum, norm, product] = golden.get(&format!("step.{}", spec.name)).unwrap() else {
            panic!("six numbers")
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for (found, expected) in [(values[0], first), (values[n / 2], middle), (values[n - 1], last)] {
            assert!((found - expected).abs() <= 1e-5, "{}: {found}, expected {expected}", spec.name);
            worst = worst.max((found - expected).abs());
        }
        // A difference of 1e-5 in one direction at every weight would be far above this.
        let apart = [
            (values.iter().sum::<f64>() - sum).abs() / (n as f64).sqrt(),
            (dot(&values, &values).sqrt() - norm).abs(),
            (dot(&values, &golden.probe(&spec.name, n)) - product).abs() / (n as f64).sqrt(),
        ];
        assert!(apart.iter().all(|a| *a <= 1e-5), "{}: {apart:?}", spec.name);
        moved += usize::from(learner.values()[&spec.name] != before[&spec.name]);
    }
    assert_eq!(moved, 99, "all but the seven that nothing reads");
    println!("ten steps: largest difference of a weight {worst:.1e}");
}
