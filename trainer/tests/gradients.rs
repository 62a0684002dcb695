//! Every parameter's gradient of every term of the objective: against central differences in f64 and against PyTorch.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod formula_data;

use std::collections::BTreeMap;

use burn::tensor::{DType, Device, Tensor};
use formula_data::{TrainingGolden, unit};
use mien_models::fusion::parameters;
use mien_trainer::data::Batch;
use mien_trainer::model::{Dropout, Noise, Umca};
use mien_trainer::objective::{Losses, Mkd1Operand, TERMS};
use mien_trainer::train::{Experiment, flows};

type Gradients = BTreeMap<String, Vec<f64>>;

fn losses(model: &Umca, experiment: &Experiment, batch: &Batch, dropout: Dropout, dtype: DType) -> Losses {
    let noise = [0, 1].map(|flow| Noise::new(dropout, 9, 4, flow));
    let [complete, missing] = flows(model, experiment, batch, noise, dtype).unwrap();
    experiment.objective.losses(&complete, &missing, &batch.labels)
}

fn term(losses: &Losses, index: usize) -> &Tensor<1> {
    let l = losses;
    [&l.total, &l.task_complete, &l.task_missing, &l.mkd1, &l.mkd2, &l.rs, &l.rnc][index]
}

fn formula(golden: &TrainingGolden, experiment: &Experiment, dtype: DType) -> Umca {
    let config = experiment.network.fusion();
    Umca::new(&config, golden.weights(), 0, &Device::flex().autodiff(), dtype).unwrap()
}

/// The gradient of one term; each needs a pass of its own, because a pass consumes its graph.
fn gradients(
    model: &Umca,
    experiment: &Experiment,
    batch: &Batch,
    dropout: Dropout,
    index: usize,
    dtype: DType,
) -> Gradients {
    let losses = losses(model, experiment, batch, dropout, dtype);
    model.gradients::<f64>(&mut term(&losses, index).backward()).unwrap()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// f64: exact to rounding. f32, in which training runs: to f32's precision.
#[test]
fn gradients_are_those_of_pytorch() {
    let golden = TrainingGolden::open();
    let (experiment, batch) = (golden.experiment(), golden.batch());
    for (dtype, tolerance, floor) in [(DType::F64, 1e-9, 1e-3), (DType::F32, 5e-5, 1.0)] {
        let model = formula(&golden, &experiment, dtype);
        let (mut checked, mut worst) = (0, 0f64);
        for (index, name) in TERMS.iter().enumerate() {
            let value = losses(&model, &experiment, &batch, Dropout::NONE, dtype).values()[index];
            let expected = golden.get(&format!("value.{name}")).unwrap()[0];
            assert!(
                (value - expected).abs() <= tolerance * expected.abs().max(1.0),
                "{name}: {value}, expected {expected}"
            );
            let found = gradients(&model, &experiment, &batch, Dropout::NONE, index, dtype);
            let whole = found.values().map(|g| dot(g, g)).sum::<f64>().sqrt();
            for (parameter, gradient) in &found {
                let entry = golden.get(&format!("gradient.{name}.{parameter}"));
                let [norm, product] =
                    entry.unwrap_or_else(|| panic!("PyTorch has no gradient of {name} by {parameter}"))
                else {
                    panic!("two numbers")
                };
                let found = [dot(gradient, gradient).sqrt(), dot(gradient, &golden.probe(parameter, gradient.len()))];
                for (found, expected) in found.into_iter().zip([norm, product]) {
                    // Rounding in a small gradient comes from sums as large as the whole one.
                    let apart = (found - expected).abs() / norm.max(floor * whole);
                    assert!(apart <= tolerance, "{dtype:?}, {name} by {parameter}: {found:e}, expected {expected:e}");
                    worst = worst.max(apart);
                }
                checked += 1;
            }
        }
        let expected = golden.names().filter(|name| name.starts_with("gradient.")).count();
        assert_eq!(checked, expected, "a gradient that PyTorch has is missing");
        println!("{dtype:?}: {checked} gradients, largest difference {worst:.1e}");
    }
}

/// Along a random direction of each tensor, all terms, with the dropout of training, both operands of MKD1.
#[test]
fn gradients_are_those_of_central_differences() {
    const STEP: f64 = 1e-7;
    let golden = TrainingGolden::open();
    let batch = golden.batch();
    for operand in [Mkd1Operand::Query, Mkd1Operand::Representation] {
        let mut experiment = golden.experiment();
        experiment.objective.mkd1_operand = operand;
        // A constant teacher is no function's derivative: with it, differences would not see the same function.
        (experiment.objective.mkd1_detach, experiment.objective.mkd2_detach) = (false, false);
        let model = formula(&golden, &experiment, DType::F64);
        let dropout = Dropout::default();
        let all: Vec<Gradients> =
            (0..TERMS.len()).map(|i| gradients(&model, &experiment, &batch, dropout, i, DType::F64)).collect();
        let (mut checked, mut worst) = (0, 0f64);
        for spec in parameters(&experiment.network.fusion()) {
            let n = spec.shape.iter().product();
            let direction = unit(1, &format!("direction.{}", spec.name), n);
            let start: Vec<f64> = model.values().unwrap()[&spec.name].iter().map(|v| f64::from(*v)).collect();
            let at = |step: f64| {
                let values = start.iter().zip(&direction).map(|(v, d)| v + step * d).collect();
                let moved = model.clone().with_values::<f64>(&[(spec.name.clone(), values)].into());
                losses(&moved, &experiment, &batch, dropout, DType::F64).values()
            };
            let (up, down) = (at(STEP), at(-STEP));
            for (index, name) in TERMS.iter().enumerate() {
                let expected = (up[index] - down[index]) / (2.0 * STEP);
                let found = all[index].get(&spec.name).map_or(0.0, |g| dot(g, &direction));
                let apart = (found - expected).abs();
                assert!(
                    apart <= 1e-6 * (1.0 + expected.abs()),
                    "{name} by {}: {found:e}, expected {expected:e}",
                    spec.name
                );
                worst = worst.max(apart);
                checked += 1;
            }
        }
        assert_eq!(checked, 106 * 7);
        println!("{operand:?}: {checked} directional slopes, largest difference {worst:.1e}");
    }
}

/// A detached teacher gets no gradient: only the text branch of the flow without text learns from it.
#[test]
fn detached_teachers_do_not_learn() {
    let golden = TrainingGolden::open();
    let batch = golden.batch();
    let mut experiment = golden.experiment();
    let of = |experiment: &Experiment, index| {
        let model = formula(&golden, experiment, DType::F64);
        gradients(&model, experiment, &batch, Dropout::NONE, index, DType::F64)
    };
    for index in [3, 4, 5] {
        let switch = |e: &mut Experiment, on: bool| {
            let o = &mut e.objective;
            *[&mut o.mkd1_detach, &mut o.mkd2_detach, &mut o.rs_detach][index - 3] = on;
        };
        switch(&mut experiment, true);
        let detached = of(&experiment, index);
        switch(&mut experiment, false);
        let attached = of(&experiment, index);
        // The imagination blocks run in the taught flow alone: their gradient is the same, others' are not.
        let block = "missing_text_imagination_mlp.decoder_0.0.weight";
        let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-15 + 1e-9 * b.abs());
        assert!(near(&detached[block], &attached[block]), "{}", TERMS[index]);
        let shared = "text_mlp.0.weight";
        assert!(!near(&detached[shared], &attached[shared]), "{}", TERMS[index]);
    }
}

/// Two equal flows: roots and norms at exactly zero have a slope of 0, not NaN.
#[test]
fn gradients_at_equal_flows_are_finite() {
    let golden = TrainingGolden::open();
    let mut experiment = golden.experiment();
    experiment.network.mia = mien_models::fusion::Mia::Off;
    let mut batch = golden.batch();
    batch.simulated = batch.text.clone();
    let model = formula(&golden, &experiment, DType::F32);
    let losses = losses(&model, &experiment, &batch, Dropout::NONE, DType::F32);
    assert!(losses.values()[5] < 2e-6, "the flows are equal");
    let gradients = model.gradients::<f32>(&mut losses.total.backward()).unwrap();
    assert!(gradients.len() >= 83);
    assert!(gradients.values().flatten().all(|g| g.is_finite()));
}
