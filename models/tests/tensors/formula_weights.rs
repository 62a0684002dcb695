//! Formula weights against values that the reference script computed.

use mien_models::tensor::{NamedTensors, TensorSpec, formula};

use super::{bits, fixture};

struct Case {
    seed: u64,
    name: String,
    shape: Vec<usize>,
    index: usize,
    bits: u32,
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(fixture("fill.txt")).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [seed, name, shape, index, bits] = fields[..] else { panic!("{line}") };
            Case {
                seed: seed.parse().unwrap(),
                name: name.into(),
                shape: if shape == "scalar" {
                    vec![]
                } else {
                    shape.split(',').map(|axis| axis.parse().unwrap()).collect()
                },
                index: index.parse().unwrap(),
                bits: u32::from_str_radix(bits, 16).unwrap(),
            }
        })
        .collect()
}

#[test]
fn fill_equals_the_reference_bit_for_bit() {
    let cases = cases();
    assert!(cases.len() > 90, "{}", cases.len());
    let mut filled: Option<(u64, String, Vec<usize>, Vec<f32>)> = None;
    for Case { seed, name, shape, index, bits } in cases {
        // Lines of one tensor follow each other.
        if filled.as_ref().is_none_or(|(s, n, d, _)| (*s, n, d) != (seed, &name, &shape)) {
            filled = Some((seed, name.clone(), shape.clone(), formula::fill(seed, &name, &shape)));
        }
        let (.., values) = filled.as_ref().unwrap();
        assert_eq!(values.len(), shape.iter().product::<usize>());
        assert_eq!(values[index].to_bits(), bits, "seed {seed}, {name} {shape:?}, index {index}: {}", values[index]);
    }
}

#[test]
fn fnv1a64_meets_its_published_vectors() {
    // Test vectors of the hash's authors.
    assert_eq!(formula::fnv1a64(""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(formula::fnv1a64("a"), 0xaf63_dc4c_8601_ec8c);
    assert_eq!(formula::fnv1a64("foobar"), 0x8594_4171_f739_67e8);
}

#[test]
fn formula_set_gives_what_fill_gives_under_the_name_it_was_declared_with() {
    let specs = [TensorSpec::required("model.a.weight", [3, 4]), TensorSpec::optional("model.count", [])];
    let tensors = NamedTensors::formula(7, &specs).strip_prefixes(&["model."]);
    assert_eq!(tensors.names().collect::<Vec<_>>(), ["a.weight", "count"]);
    let values = tensors.get("a.weight", &[3, 4]).unwrap();
    assert_eq!(bits(&values), bits(&formula::fill(7, "model.a.weight", &[3, 4])));
}

#[test]
fn parity_units_are_those_of_the_spec() {
    // Printed in section 10: inputs have amplitude 1, parameter 0 is [256, 1024], parameter 1 has one axis.
    let printed = [
        (1000, 1.0, &[-0.981_133_57, 0.254_934_40, -0.508_997_63][..]),
        (0, 1.0 / 1024f64.sqrt(), &[-0.031_249_82, 0.007_377_30, -0.016_495_57]),
        (1, 0.1, &[-0.099_997_54, 0.023_609_26]),
    ];
    for (p, amplitude, expected) in printed {
        for (j, expected) in (0u64..).zip(expected) {
            let value = formula::parity_unit(p, j) * amplitude;
            assert!((value - expected).abs() <= 5e-9, "p {p}, j {j}: {value} is not {expected}");
        }
    }
    // The streams of later samples start far out: the product passes 2^32 and must be reduced, not rounded.
    let (p, j) = (1003u64, 3_000_000_007u64);
    let wide = (u128::from(j) * 2_654_435_761 + u128::from(p) * 40_503 + 12_345) % (1 << 32);
    assert_eq!(formula::parity_unit(p, j), 2.0 * (wide as f64 / 2f64.powi(32)) - 1.0);
}
