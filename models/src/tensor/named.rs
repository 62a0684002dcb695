//! Tensors by name, from whatever file or formula they come.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::container::{Container, FileFormat, PassedOver};
use super::dense::first_not_finite;
use super::element::ElementType;
use super::map::FileMap;
use super::stored::Stored;
use super::{Tensor, foreign, formula, safetensors_file, torch_legacy, torch_zip};
use crate::{ModelError, Result};

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

/// A tensor of the set.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) shape: Vec<usize>,
    pub(super) data: Data,
    /// The name in the file, where it is another than the set's.
    pub(super) written: Option<String>,
}

impl Entry {
    pub(super) fn new(shape: Vec<usize>, data: Data) -> Self {
        Self { shape, data, written: None }
    }
}

/// Where a tensor's elements come from.
#[derive(Clone, Debug)]
pub(super) enum Data {
    /// Computed when asked for, from the name that it was declared under.
    Formula { seed: u64, name: String },
    /// Held in memory, row-major.
    Owned(Vec<f32>),
    /// Read from a file when asked for.
    Stored(Stored),
}

impl Data {
    fn element(&self) -> ElementType {
        match self {
            Self::Formula { .. } | Self::Owned(_) => ElementType::F32,
            Self::Stored(stored) => stored.element,
        }
    }
}

/// Tensors by name. Data stays where it lies (memory map, formula) until it is asked for.
///
/// The files behind an open set must not be changed in place; replace them by renaming.
#[derive(Debug)]
pub struct NamedTensors {
    origin: String,
    pub(super) container: Container,
    metadata: BTreeMap<String, String>,
    pub(super) tensors: BTreeMap<String, Entry>,
}

impl NamedTensors {
    /// Opens a safetensors file or a PyTorch file (.pt, .bin, .pth), a zip archive or of the form before torch 1.6, told
    /// apart by content, not by name.
    ///
    /// Of a PyTorch file, the state dict is looked for under the keys that training scripts use (`state_dict`,
    /// `model`, ...), also one below the other, then at the top level (see [`Self::nesting`]). Pickled objects are never
    /// executed: whatever is no tensor in a dict is passed over ([`Self::passed_over`]). An archive's checksums are
    /// verified here; the other formats have none.
    ///
    /// # Errors
    /// Io; Format for any other or damaged content, and files without a state dict.
    pub fn open(path: &Path) -> Result<Self> {
        let map = Arc::new(FileMap::open(path)?);
        let origin = path.display().to_string();
        let torch =
            |(tensors, container)| Self { origin: origin.clone(), container, metadata: BTreeMap::new(), tensors };
        if torch_zip::looks_like(&map) {
            torch_zip::read(path, &map).map(torch)
        } else if torch_legacy::looks_like(&map) {
            torch_legacy::read(path, &map).map(torch)
        } else if safetensors_file::looks_like(&map) && !foreign::is_json(&map) {
            let (tensors, metadata) = safetensors_file::read(path, &map)?;
            Ok(Self { origin, container: Container::of(FileFormat::Safetensors), metadata, tensors })
        } else {
            Err(foreign::refusal(path, &map))
        }
    }

    /// Formula weights for `specs` (see [`crate::tensor::formula`]), made when asked for.
    pub fn formula(seed: u64, specs: &[TensorSpec]) -> Self {
        let entry = |spec: &TensorSpec| Entry::new(spec.shape.clone(), Data::Formula { seed, name: spec.name.clone() });
        let tensors = specs.iter().map(|spec| (spec.name.clone(), entry(spec))).collect();
        let origin = format!("formula weights, seed {seed}");
        Self { origin, container: Container::default(), metadata: BTreeMap::new(), tensors }
    }

    /// Tensors with their shapes that are read from a file when they are asked for.
    pub(crate) fn from_stored(
        origin: impl Into<String>,
        tensors: impl IntoIterator<Item = (String, Vec<usize>, Stored)>,
    ) -> Self {
        let entry = |(name, shape, stored)| (name, Entry::new(shape, Data::Stored(stored)));
        let tensors = tensors.into_iter().map(entry).collect();
        Self { origin: origin.into(), container: Container::default(), metadata: BTreeMap::new(), tensors }
    }

    /// Tensors that are already in memory; of two with one name the last stays.
    pub fn from_tensors(origin: impl Into<String>, tensors: impl IntoIterator<Item = (String, Tensor)>) -> Self {
        let entry = |tensor: Tensor| Entry::new(tensor.shape().to_vec(), Data::Owned(tensor.into_data()));
        let tensors = tensors.into_iter().map(|(name, tensor)| (name, entry(tensor))).collect();
        Self { origin: origin.into(), container: Container::default(), metadata: BTreeMap::new(), tensors }
    }

    /// Where the tensors come from, for messages.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The kind of the file that the tensors were read from; none for any other set.
    pub fn format(&self) -> Option<FileFormat> {
        self.container.format
    }

    /// The keys of a PyTorch file's dicts that led to the state dict, joined by dots; `None` for the top level and for
    /// any other kind of set.
    pub fn nesting(&self) -> Option<&str> {
        self.container.nesting.as_deref()
    }

    /// What lay beside the state dict in a PyTorch file and was not taken.
    pub fn passed_over(&self) -> &[PassedOver] {
        &self.container.passed_over
    }

    /// Names of the parameters that an optimiser, saved along, has made a step for, as the file spells them; `None` where
    /// the file does not say.
    pub fn stepped(&self) -> Option<&BTreeSet<String>> {
        self.container.stepped.as_ref()
    }

    /// Text entries beside the tensors (`__metadata__` of safetensors).
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Names in sorted order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there are no tensors.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Whether `name` is there.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Shape of `name`, if it is there.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|entry| entry.shape.as_slice())
    }

    /// Removes the first of `prefixes` found at the start of each name; an empty string in the list is harmless.
    ///
    /// A name that would become another tensor's name keeps its prefix, so that no tensor is lost unseen.
    pub fn strip_prefixes(mut self, prefixes: &[&str]) -> Self {
        let stripped = |name: &str| -> Option<String> {
            let short = prefixes.iter().filter(|p| !p.is_empty()).find_map(|p| name.strip_prefix(p))?;
            (!short.is_empty()).then(|| short.to_owned())
        };
        let mut taken: BTreeSet<String> = self.tensors.keys().cloned().collect();
        self.tensors = std::mem::take(&mut self.tensors)
            .into_iter()
            .map(|(name, mut entry)| match stripped(&name) {
                Some(short) if taken.insert(short.clone()) => {
                    entry.written.get_or_insert(name);
                    (short, entry)
                }
                _ => (name, entry),
            })
            .collect();
        self
    }

    /// Keeps only names for which `keep` holds (heads, counters, other parts of a joint checkpoint).
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.tensors.retain(|name, _| keep(name));
    }

    /// Holds the set against `specs`: every required tensor present and of a float type, every tensor known, every
    /// shape equal. The first difference is reported: in the order of `specs`, then by name for unknown tensors.
    ///
    /// # Errors
    /// MissingTensor, ExtraTensor, TensorShape or TensorDtype, naming key, expected and found.
    pub fn check(&self, architecture: &'static str, specs: &[TensorSpec]) -> Result<()> {
        for spec in specs {
            match self.tensors.get(&spec.name) {
                None if spec.required => return Err(self.missing(&spec.name, &spec.shape)),
                None => {}
                Some(entry) => {
                    self.check_shape(&spec.name, entry, &spec.shape)?;
                    if spec.required && !entry.data.element().is_float() {
                        return Err(self.wrong_type(&spec.name, entry));
                    }
                }
            }
        }
        let known: BTreeSet<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        match self.tensors.iter().find(|(name, _)| !known.contains(name.as_str())) {
            None => Ok(()),
            Some((name, entry)) => Err(ModelError::ExtraTensor {
                origin: self.origin.clone(),
                // The name comes from the file: it must not break the line.
                key: name.escape_debug().to_string(),
                found: entry.shape.clone(),
                architecture,
            }),
        }
    }

    /// The elements of `name` as f32, row-major; borrowed from the map where the file holds aligned f32.
    ///
    /// # Errors
    /// MissingTensor, TensorShape (against `shape`), TensorDtype, NotFinite.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<Cow<'_, [f32]>> {
        let entry = self.entry(name, shape)?;
        let values = match &entry.data {
            Data::Formula { seed, name } => return Ok(Cow::Owned(formula::fill(*seed, name, shape))),
            Data::Owned(values) => Cow::Borrowed(values.as_slice()),
            Data::Stored(stored) => stored.floats().ok_or_else(|| self.wrong_type(name, entry))?,
        };
        match first_not_finite(&values) {
            None => Ok(values),
            Some((index, value)) => {
                Err(ModelError::NotFinite { origin: self.origin.clone(), what: format!("tensor {name}"), index, value })
            }
        }
    }

    /// Writes elements of `name` into `out` as f32, from the row-major flat index `first` on. Only these are read from
    /// the file, so rows of a tensor that is larger than memory can be had. NaN and infinities are not looked for.
    ///
    /// # Errors
    /// MissingTensor; Contract when the stretch leaves the tensor, or for elements that are no floats in one block
    /// (integers, transposed views, formula weights).
    pub fn read_into(&self, name: &str, first: usize, out: &mut [f32]) -> Result<()> {
        let entry = self.tensors.get(name).ok_or_else(|| self.missing(name, &[]))?;
        let copied = match &entry.data {
            Data::Formula { .. } => None,
            Data::Owned(values) => first
                .checked_add(out.len())
                .and_then(|end| values.get(first..end))
                .map(|values| out.copy_from_slice(values)),
            Data::Stored(stored) => stored.copy_floats(first, out),
        };
        copied.ok_or_else(|| ModelError::Contract {
            model: self.origin.clone(),
            tensor: name.into(),
            expected: format!("floats in one block, {} of them from number {first} on", out.len()),
            found: format!("shape {:?} of type {}", entry.shape, entry.data.element()),
        })
    }

    /// Type of the elements of `name` as this crate names it ("f16", "i64", ...), if it is there.
    pub fn element_type(&self, name: &str) -> Option<String> {
        self.tensors.get(name).map(|entry| entry.data.element().to_string())
    }

    /// The elements of an integer tensor (token ids, counters), row-major.
    ///
    /// # Errors
    /// MissingTensor, TensorShape (against `shape`); Contract when the elements are no integers of at most 64 bits.
    pub fn integers(&self, name: &str, shape: &[usize]) -> Result<Vec<i64>> {
        let entry = self.entry(name, shape)?;
        let values = match &entry.data {
            Data::Stored(stored) => stored.integers(),
            Data::Formula { .. } | Data::Owned(_) => None,
        };
        values.ok_or_else(|| ModelError::Contract {
            model: self.origin.clone(),
            tensor: name.into(),
            expected: "integers".into(),
            found: format!("elements of type {}", entry.data.element()),
        })
    }

    /// Whether `name` is there and of a float type.
    pub(super) fn holds_floats(&self, name: &str) -> bool {
        self.tensors.get(name).is_some_and(|entry| entry.data.element().is_float())
    }

    fn entry(&self, name: &str, shape: &[usize]) -> Result<&Entry> {
        let entry = self.tensors.get(name).ok_or_else(|| self.missing(name, shape))?;
        self.check_shape(name, entry, shape)?;
        Ok(entry)
    }

    fn check_shape(&self, name: &str, entry: &Entry, expected: &[usize]) -> Result<()> {
        if entry.shape == expected {
            return Ok(());
        }
        Err(ModelError::TensorShape {
            origin: self.origin.clone(),
            key: name.into(),
            expected: expected.into(),
            found: entry.shape.clone(),
        })
    }

    fn missing(&self, name: &str, expected: &[usize]) -> ModelError {
        ModelError::MissingTensor { origin: self.origin.clone(), key: name.into(), expected: expected.into() }
    }

    fn wrong_type(&self, name: &str, entry: &Entry) -> ModelError {
        ModelError::TensorDtype {
            origin: self.origin.clone(),
            key: name.into(),
            found: entry.data.element().to_string(),
        }
    }
}
