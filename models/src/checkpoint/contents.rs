//! What a network takes out of a file.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::Kind;
use super::unused;
use crate::tensor::{NamedTensors, TensorSpec};

/// Tensors of one file: what a network takes, and what it leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Tensors in the file's state dict.
    pub tensors: usize,
    /// Tensors that the network takes.
    pub taken: usize,
    /// Learned numbers in them; running statistics are not counted.
    pub parameters: u64,
    /// Number of taken tensors by element type ("f32", "f16", ...).
    pub types: BTreeMap<String, usize>,
    /// The others, by reason, the largest group first.
    pub ignored: Vec<Ignored>,
}

/// Tensors that are left for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// How many.
    pub count: usize,
    /// The first of them by name.
    pub example: String,
    /// Why they are left.
    pub why: &'static str,
}

impl Contents {
    /// Holds the names `before`, those of a file of `kind`, against the tensors that were `recognised` in it. `specs`
    /// are the network's.
    pub fn of(kind: Kind, before: &BTreeSet<String>, recognised: &NamedTensors, specs: &[TensorSpec]) -> Self {
        let mut types = BTreeMap::new();
        let (mut taken, mut parameters) = (BTreeSet::new(), 0u64);
        for spec in specs.iter().filter(|spec| spec.required) {
            let Some(element) = recognised.element_type(&spec.name) else { continue };
            *types.entry(element).or_default() += 1;
            if !spec.name.contains("running_") {
                parameters += spec.shape.iter().map(|&n| n as u64).product::<u64>();
            }
            taken.insert(recognised.written(&spec.name));
        }
        let mut groups: BTreeMap<&'static str, (usize, &str)> = BTreeMap::new();
        for name in before.iter().filter(|name| !taken.contains(name.as_str())) {
            groups.entry(unused::why(kind, name)).or_insert((0, name)).0 += 1;
        }
        let mut ignored: Vec<Ignored> =
            groups.into_iter().map(|(why, (count, example))| Ignored { count, example: shown(example), why }).collect();
        ignored.sort_by(|a, b| b.count.cmp(&a.count).then(a.example.cmp(&b.example)));
        Self { tensors: before.len(), taken: taken.len(), parameters, types, ignored }
    }

    /// What became of the element types, as a phrase: `f32`, or `f16, converted to f32`.
    pub fn conversion(&self) -> String {
        let several = self.types.len() > 1;
        let each = self.types.iter().map(|(element, count)| {
            let how_many = if several { format!("{count} of type ") } else { String::new() };
            let conversion = match element.as_str() {
                "f32" => "",
                "f64" => ", rounded to f32",
                _ => ", converted to f32 without loss",
            };
            format!("{how_many}{element}{conversion}")
        });
        each.collect::<Vec<_>>().join("; ")
    }
}

/// A name from a file as a line can show it.
fn shown(name: &str) -> String {
    name.chars().take(120).collect::<String>().escape_debug().to_string()
}
