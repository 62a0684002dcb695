//! Slopes along random directions: from one pass back, and from differences of values.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use mien_trainer::networks::Parameters;

use super::fill;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn value(loss: Tensor<1>) -> f64 {
    loss.inner().try_into_scalar::<f64>().unwrap()
}

/// Compares, for each group of `exact`'s tensors, the slope of `loss` along a random direction with its difference.
/// `exact` is in f64, `single` has the same tensors in f32, whose gradients must be the same up to `tolerance` of the
/// whole gradient. `group` names the group of a tensor, `step` is a difference's; where a network has kinks, only a
/// small one crosses none that counts. Gives the number of tensors with a gradient.
pub(super) fn check(
    exact: &Parameters,
    single: &Parameters,
    [step, tolerance]: [f64; 2],
    group: impl Fn(&str) -> String,
    loss: impl Fn(Parameters) -> Tensor<1>,
) -> usize {
    let found = exact.gradients::<f64>(&mut loss(exact.clone()).backward()).unwrap();
    let in_single = single.gradients::<f64>(&mut loss(single.clone()).backward()).unwrap();
    let start: BTreeMap<String, Vec<f64>> = exact
        .values()
        .unwrap()
        .into_iter()
        .map(|(name, values)| (name, values.into_iter().map(f64::from).collect()))
        .collect();
    let mut groups: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for name in found.keys() {
        groups.entry(group(name)).or_default().push(name);
    }
    let mut worst = 0f64;
    for (group, names) in &groups {
        let directions: BTreeMap<&String, Vec<f64>> = names
            .iter()
            .map(|&name| (name, fill(5, name, start[name].len()).into_iter().map(f64::from).collect()))
            .collect();
        let at = |step: f64| {
            let moved: BTreeMap<String, Vec<f64>> = directions
                .iter()
                .map(|(&name, d)| (name.clone(), start[name].iter().zip(d).map(|(v, d)| v + step * d).collect()))
                .collect();
            value(loss(exact.clone().with_values(&moved).unwrap()))
        };
        let expected = (at(step) - at(-step)) / (2.0 * step);
        let slope: f64 = directions.iter().map(|(&name, d)| dot(&found[name], d)).sum();
        let apart = (slope - expected).abs() / (1.0 + expected.abs());
        println!("{group}: {slope:e}, expected {expected:e}");
        worst = worst.max(apart);
    }
    assert!(worst <= 1e-5, "{worst:e}");
    let whole = found.values().map(|g| dot(g, g)).sum::<f64>().sqrt();
    assert_eq!(found.keys().collect::<Vec<_>>(), in_single.keys().collect::<Vec<_>>());
    let mut worst_single = 0f64;
    for (name, exact) in &found {
        let difference: Vec<f64> = exact.iter().zip(&in_single[name]).map(|(a, b)| a - b).collect();
        let apart = dot(&difference, &difference).sqrt() / whole;
        assert!(apart <= tolerance, "{name} in f32: {apart:e} of the whole gradient");
        worst_single = worst_single.max(apart);
    }
    println!("{} tensors in {} directions: {worst:.1e}; f32: {worst_single:.1e}", found.len(), groups.len());
    found.len()
}
