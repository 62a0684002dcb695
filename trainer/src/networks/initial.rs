//! First values of a network that begins from nothing.

use mien_models::tensor::{NamedTensors, Tensor as Plain, TensorSpec, formula};

use crate::hash::{key, mix, unit};

/// How a tensor begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Begin {
    /// All the same.
    Constant(f64),
    /// Normally distributed around 0 with this deviation.
    Normal(f64),
    /// Uniform between minus this and this.
    Uniform(f64),
}

/// The tensors that `specs` requires, drawn from `seed` as `begin` says by name and shape: a tensor depends on the seed,
/// its name and its shape alone.
pub(super) fn initial(specs: &[TensorSpec], seed: u64, begin: impl Fn(&str, &[usize]) -> Begin) -> NamedTensors {
    let tensors = specs.iter().filter(|spec| spec.required).filter_map(|spec| {
        let key = key(&[seed, formula::fnv1a64(&spec.name)]);
        let n = spec.shape.iter().product::<usize>() as u64;
        let values = match begin(&spec.name, &spec.shape) {
            Begin::Constant(value) => vec![value as f32; n as usize],
            Begin::Normal(deviation) => (0..n).map(|i| (deviation * normal(key, i)) as f32).collect(),
            Begin::Uniform(bound) => (0..n).map(|i| (bound * (2.0 * unit(mix(key, i)) - 1.0)) as f32).collect(),
        };
        Some((spec.name.clone(), Plain::new(spec.shape.clone(), values).ok()?))
    });
    NamedTensors::from_tensors(format!("initial values, seed {seed}"), tensors)
}

/// Numbers that an output is a sum of: the product of all axes but the first.
pub(super) fn inputs(shape: &[usize]) -> f64 {
    shape.iter().skip(1).product::<usize>().max(1) as f64
}

/// A number of the standard normal distribution (Box and Muller).
fn normal(key: u64, i: u64) -> f64 {
    let [a, b] = [2 * i, 2 * i + 1].map(|counter| unit(mix(key, counter)));
    (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}
