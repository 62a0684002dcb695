//! Mixed precision against full precision.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod formula_data;

use formula_data::Memory;
use mien_trainer::data::{Source, Split};
use mien_trainer::model::Dropout;
use mien_trainer::train::{Experiment, Learner, Place, Precision, device};

fn learner(memory: &Memory, precision: Precision) -> Learner {
    let mut experiment: Experiment = memory.experiment();
    experiment.dropout = Dropout::NONE;
    experiment.training.precision = precision;
    Learner::new(&experiment, None, 42, &device("cpu").unwrap()).unwrap()
}

/// bf16 has 8 bits of a number: each term of the objective is as near as that, and weights stay f32.
#[test]
fn a_step_in_bf16_goes_where_one_in_f32_goes() {
    let memory = Memory::new([16, 4, 4], [24, 32, 16]);
    let clips: Vec<usize> = (0..16).collect();
    let batch = memory.batch(Split::Train, &clips).unwrap();
    let [mut exact, mut mixed] = [Precision::F32, Precision::Bf16].map(|p| learner(&memory, p));
    assert_eq!(exact.values(), mixed.values(), "weights are read in full precision");
    for missing in [false, true] {
        let [a, b] = [&exact, &mixed].map(|learner| learner.valences(&batch, missing).unwrap());
        assert_eq!(a, b, "so is what validation asks");
    }
    let before = exact.values().clone();
    let (mut same, mut moved) = (0, 0);
    for step in 0..5 {
        let place = Place { epoch: 5, step };
        let [a, b] = [exact.step(&batch, place).unwrap(), mixed.step(&batch, place).unwrap()];
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() < 0.02 * a.abs() + 1e-3, "step {step}: {a} and {b}");
        }
        assert_ne!(a, b, "the products are not f32");
    }
    for (name, before) in &before {
        for ((a, b), was) in exact.values()[name].iter().zip(&mixed.values()[name]).zip(before) {
            if (a - was).abs() > 1e-4 {
                moved += 1;
                same += usize::from((a - was) * (b - was) > 0.0);
            }
        }
    }
    // Adam's first steps follow the signs of the gradients.
    assert!(moved > 10_000 && same * 100 > moved * 95, "{same} of {moved} weights went the same way");
}

/// A weight's change by a step is smaller than bf16's step at that weight; it must not be lost.
#[test]
fn small_steps_add_up() {
    let memory = Memory::new([16, 4, 4], [24, 32, 16]);
    let batch = memory.batch(Split::Train, &[0, 1, 2, 3]).unwrap();
    let mut mixed = learner(&memory, Precision::Bf16);
    let before = mixed.values().clone();
    mixed.step(&batch, Place { epoch: 0, step: 0 }).unwrap();
    let pairs = before.iter().flat_map(|(name, was)| was.iter().zip(&mixed.values()[name]));
    let small =
        pairs.filter(|(was, is)| was.abs() > 0.05 && was != is && (*was - *is).abs() < was.abs() / 512.0).count();
    assert!(small > 1000, "{small}");
}
