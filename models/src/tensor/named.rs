//! Tensors by name, from whatever file or formula they come.

use std::borrow::Cow;
use std::path::Path;

use crate::Result;

/// A tensor that an architecture expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// State-dict name.
    pub name: String,
    /// Axis lengths.
    pub shape: Vec<usize>,
    /// Whether a file without it is refused.
    pub required: bool,
}

impl TensorSpec {
    /// A tensor without which the architecture cannot be built.
    pub fn required(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self { name: name.into(), shape: shape.into(), required: true }
    }

    /// A tensor that may be absent (dead parameters, counters).
    pub fn optional(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self { name: name.into(), shape: shape.into(), required: false }
    }
}

/// Tensors by name. Data stays where it lies (memory map, formula) until it is asked for.
#[derive(Debug)]
pub struct NamedTensors {
    origin: String,
}

impl NamedTensors {
    /// Opens a safetensors file or a PyTorch zip file (.pt, .bin, .pth), told apart by content, not by name.
    pub fn open(_path: &Path) -> Result<Self> {
        todo!()
    }

    /// Formula weights for `specs` (see [`crate::tensor::formula`]), made when asked for.
    pub fn formula(_seed: u64, _specs: &[TensorSpec]) -> Self {
        todo!()
    }

    /// Where the tensors come from, for messages.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Names in sorted order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    /// Whether `name` is there.
    pub fn contains(&self, _name: &str) -> bool {
        todo!()
    }

    /// Shape of `name`, if it is there.
    pub fn shape(&self, _name: &str) -> Option<&[usize]> {
        todo!()
    }

    /// Removes the first of `prefixes` found at the start of each name; an empty string in the list is harmless.
    pub fn strip_prefixes(self, _prefixes: &[&str]) -> Self {
        todo!()
    }

    /// Keeps only names for which `keep` holds (heads, counters, other parts of a joint checkpoint).
    pub fn retain(&mut self, _keep: impl Fn(&str) -> bool) {
        todo!()
    }

    /// Holds the set against `specs`: every required tensor present, every tensor known, every shape equal.
    ///
    /// # Errors
    /// MissingTensor, ExtraTensor or TensorShape, naming key, expected and found.
    pub fn check(&self, _architecture: &'static str, _specs: &[TensorSpec]) -> Result<()> {
        todo!()
    }

    /// The elements of `name` as f32, row-major; borrowed from the map where the file holds aligned f32.
    ///
    /// # Errors
    /// MissingTensor, TensorShape (against `shape`), TensorDtype, NotFinite.
    pub fn get(&self, _name: &str, _shape: &[usize]) -> Result<Cow<'_, [f32]>> {
        todo!()
    }
}
