//! Formula weights: every tensor is a pure function of (seed, name, index, shape).
//!
//! Two programs that share this formula can fill one architecture with the same numbers, so a golden file holds
//! outputs only. The arithmetic is that of the reference script `fill.py`, bit for bit:
//!
//! ```text
//! z = seed + fnv1a64(name) + (i + 1) * 0x9E3779B97F4A7C15        (mod 2^64; i is the row-major flat index)
//! z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9
//! z = (z ^ z >> 27) * 0x94D049BB133111EB
//! z =  z ^ z >> 31
//! s = 2 * ((z >> 40) / 2^24) - 1                                  in [-1, 1), exact in f32
//! ```
//!
//! The value is `s` scaled by the first rule that fits name and shape, see [`fill`].

/// Weyl increment of the counter (SplitMix64).
const INCREMENT: u64 = 0x9E37_79B9_7F4A_7C15;

/// 64-bit FNV-1a hash of the name's UTF-8 bytes.
pub fn fnv1a64(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01B3))
}

/// How `s` in [-1, 1) becomes the tensor's value.
enum Rule {
    Zero,
    /// `1 + scale * s`
    AroundOne(f32),
    /// `scale * s`
    Scaled(f32),
}

fn rule(name: &str, shape: &[usize]) -> Rule {
    let vector = shape.len() == 1;
    if name.ends_with("num_batches_tracked") {
        Rule::Zero
    } else if name.ends_with("running_var") {
        Rule::AroundOne(0.5)
    } else if name.ends_with("running_mean") {
        Rule::Scaled(0.1)
    } else if name.ends_with("weight_g") || name.ends_with("weight.original0") || (vector && name.ends_with("weight")) {
        Rule::AroundOne(0.1)
    } else if vector {
        Rule::Scaled(0.1)
    } else if name.starts_with("input.") {
        Rule::Scaled(1.0)
    } else {
        let fan_in: usize = shape.iter().skip(1).product();
        // The reference takes the root in f64 and rounds once to f32.
        Rule::Scaled((6.0 / fan_in as f64).sqrt() as f32)
    }
}

/// The tensor `name` of `shape` under `seed`: row-major f32.
///
/// Rules, first match wins, `s` uniform in [-1, 1):
///
/// | name and shape | value |
/// |---|---|
/// | ends `num_batches_tracked` | 0 |
/// | ends `running_var` | 1 + 0.5 s |
/// | ends `running_mean` | 0.1 s |
/// | ends `weight_g` or `weight.original0` | 1 + 0.1 s |
/// | one axis, ends `weight` (a norm's gain) | 1 + 0.1 s |
/// | one axis (a bias) | 0.1 s |
/// | starts `input.` | s |
/// | otherwise | s sqrt(6 / fan_in), fan_in = product of all axes but the first |
pub fn fill(seed: u64, name: &str, shape: &[usize]) -> Vec<f32> {
    let n: usize = shape.iter().product();
    let first = seed.wrapping_add(fnv1a64(name)).wrapping_add(INCREMENT);
    match rule(name, shape) {
        Rule::Zero => vec![0.0; n],
        Rule::AroundOne(scale) => map_units(first, n, |s| 1.0 + scale * s),
        Rule::Scaled(scale) => map_units(first, n, |s| scale * s),
    }
}

/// `n` values of `value(s)`; one monomorphic loop per rule, so nothing but arithmetic is left inside.
fn map_units(first: u64, n: usize, value: impl Fn(f32) -> f32) -> Vec<f32> {
    // A half-open range: the loop over a closed one carries a flag and is a third slower.
    (0..n as u64).map(|i| value(unit(first.wrapping_add(i.wrapping_mul(INCREMENT))))).collect()
}

/// SplitMix64's output function, its upper 24 bits as a number in [-1, 1).
fn unit(mut z: u64) -> f32 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    // 24 bits, a power of two, and a result of at most 24 bits: no step rounds.
    (z >> 40) as u32 as f32 * (2.0 / 16_777_216.0) - 1.0
}

/// Element `j` of parity stream `p`, in [-1, 1), f64: `2 u(p, j) - 1` with
/// `u(p, j) = ((2654435761 j + 40503 p + 12345) mod 2^32) / 2^32` (spec section 10 of the method).
///
/// Parameters take `p` = position in the checkpoint's table and are scaled by 1/sqrt(shape\[1\]) for two or more axes,
/// else by 0.1; inputs take `p` = 1000 (audio), 1001 (text), 1002 (video), 1003 (simulated text), sample `b` starting
/// at `j = 1_000_000_000 b`, unscaled.
pub fn parity_unit(p: u64, j: u64) -> f64 {
    // 2^32 divides 2^64, so wrapping loses nothing that the mask keeps.
    let x = j.wrapping_mul(2_654_435_761).wrapping_add(p.wrapping_mul(40_503)).wrapping_add(12_345);
    2.0 * (f64::from(x as u32) / 4_294_967_296.0) - 1.0
}
