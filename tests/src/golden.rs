//! Golden files: which there are, and how far a tensor is from one in them.

use std::path::{Path, PathBuf};

use mien_models::tensor::NamedTensors;

/// Which network's outputs a golden file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Golden {
    /// Made by `golden_fusion.py`.
    Fusion,
    /// Made by `golden_llama.py`.
    Llama,
    /// Made by `golden_manet.py`.
    Manet,
    /// Made by `golden_wavlm.py`.
    Wavlm,
}

impl Golden {
    /// Files are told apart by their metadata, so that they may have any name.
    fn of(file: &NamedTensors) -> Option<Self> {
        let has = |key: &str| file.metadata().contains_key(key);
        match () {
            () if has("dims") && has("frames") => Some(Self::Fusion),
            () if has("vocab") && has("layers") => Some(Self::Llama),
            () if has("classes") && has("batch") => Some(Self::Manet),
            () if has("samples") && has("size") => Some(Self::Wavlm),
            () => None,
        }
    }
}

/// The golden files of `kind` in the project's own folder, or in the folder that `MIEN_GOLDEN` names, by name.
///
/// Another folder need not hold files of every kind; then the list is empty, and a line says so.
///
/// # Panics
/// When the folder cannot be read or holds no golden file at all, or the project's own none of this kind.
pub fn golden_files(kind: Golden) -> Vec<(PathBuf, NamedTensors)> {
    let named = std::env::var_os("MIEN_GOLDEN").map(PathBuf::from);
    let folder = named.clone().unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("golden"));
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "safetensors"));
    paths.sort();
    let mut all = 0;
    let mut files = Vec::new();
    for path in paths {
        let file = NamedTensors::open(&path).unwrap_or_else(|e| panic!("{e}"));
        let found = Golden::of(&file);
        all += usize::from(found.is_some());
        if found == Some(kind) {
            files.push((path, file));
        }
    }
    assert!(all > 0, "{} holds no golden file", folder.display());
    assert!(named.is_some() || !files.is_empty(), "{} holds no {kind:?} file", folder.display());
    if files.is_empty() {
        println!("{} holds no {kind:?} file: nothing to compare", folder.display());
    }
    files
}

/// An entry of a golden file's metadata as a number.
///
/// # Panics
/// When there is none.
pub fn number<T: std::str::FromStr>(golden: &NamedTensors, key: &str) -> T {
    let text = golden.metadata().get(key).unwrap_or_else(|| panic!("{}: no {key} in the metadata", golden.origin()));
    text.parse().unwrap_or_else(|_| panic!("{}: {key} is {text:?}, expected a number", golden.origin()))
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
