//! Whole-system suites. What they share: where golden files lie, and how far two tensors are apart.

use std::path::{Path, PathBuf};

/// The folder of golden files: `MIEN_GOLDEN`, else the project's own.
pub fn golden_folder() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    std::env::var_os("MIEN_GOLDEN").map_or(own, PathBuf::from)
}

/// The largest difference of two equally long sequences over the largest magnitude of `expected`; infinite when the
/// lengths differ or a number is not finite.
pub fn relative_difference(found: &[f32], expected: &[f32]) -> f64 {
    let largest = expected.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
    absolute_difference(found, expected) / largest.max(f64::MIN_POSITIVE)
}

/// The largest difference of two equally long sequences; infinite when the lengths differ or a number is not finite.
pub fn absolute_difference(found: &[f32], expected: &[f32]) -> f64 {
    if found.len() != expected.len() {
        return f64::INFINITY;
    }
    let difference = |(a, b): (&f32, &f32)| {
        let d = (f64::from(*a) - f64::from(*b)).abs();
        if d.is_finite() { d } else { f64::INFINITY }
    };
    found.iter().zip(expected).map(difference).fold(0.0, f64::max)
}
