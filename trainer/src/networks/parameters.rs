//! The tensors of one network by their published names, as leaves that gradients arrive at.
//!
//! The device's graph builders are functions from named tensors to a file; the networks here are functions from the same
//! names to values with gradients. So one list of names, that of `mien_models`, serves both.

use std::collections::BTreeMap;

use burn::tensor::{DType, Device, Element, Gradients, Tensor, TensorData};
use mien_models::ModelError;
use mien_models::tensor::{NamedTensors, Tensor as Plain, TensorSpec};

use crate::{Result, TrainerError};

/// Whether a network learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Gradients are kept for its tensors.
    Learns,
    /// Gradients pass through it.
    Frozen,
}

/// Tensors by name on a computing device.
#[derive(Clone, Debug)]
pub struct Parameters {
    device: Device,
    dtype: DType,
    mode: Mode,
    tensors: BTreeMap<String, Leaf>,
}

/// A tensor as one row of numbers; its shape beside it.
#[derive(Clone, Debug)]
struct Leaf {
    shape: Vec<usize>,
    values: Tensor<1>,
    learned: bool,
}

impl Leaf {
    fn read(&self, name: &str) -> Result<Vec<f32>> {
        let failed = |e| TrainerError::Engine { action: "read the weights", reason: format!("{name}: {e:?}") };
        self.values.clone().inner().try_into_vec_as::<f32>().map_err(failed)
    }
}

/// Whose tensors these are, in messages.
const ORIGIN: &str = "the network in training";

impl Parameters {
    /// The tensors that `specs` lists, taken from `tensors`, as numbers of type `dtype` (f32, or f64 for checks) on
    /// `device`, which must keep gradients where they learn. Those that are optional and missing are left out; those
    /// whose names end in `running_mean` or `running_var` are statistics, which no gradient moves.
    ///
    /// # Errors
    /// [`ModelError::MissingTensor`], [`ModelError::TensorShape`], [`ModelError::NotFinite`]; [`TrainerError::Input`] for a
    /// device that keeps no gradients.
    pub fn new(
        specs: &[TensorSpec],
        tensors: &NamedTensors,
        mode: Mode,
        device: &Device,
        dtype: DType,
    ) -> Result<Self> {
        if mode == Mode::Learns && !device.is_autodiff() {
            return Err(TrainerError::input(ORIGIN, "the device", "one that keeps gradients", format!("{device:?}")));
        }
        let mut leaves = BTreeMap::new();
        for TensorSpec { name, shape, required } in specs {
            if !required && !tensors.contains(name) {
                continue;
            }
            let values = tensors.get(name, shape)?.into_owned();
            let n = values.len();
            let learned = mode == Mode::Learns && !is_statistic(name);
            let values: Tensor<1> = Tensor::from_data(TensorData::new(values, [n]), (device, dtype));
            let values = values.set_require_grad(learned);
            leaves.insert(name.clone(), Leaf { shape: shape.clone(), values, learned });
        }
        Ok(Self { device: device.clone(), dtype, mode, tensors: leaves })
    }

    /// The tensor `name`.
    ///
    /// # Errors
    /// [`ModelError::MissingTensor`] for an unknown name, [`ModelError::TensorShape`] for another number of axes.
    pub fn get<const D: usize>(&self, name: &str) -> Result<Tensor<D>> {
        let leaf = self.leaf(name)?;
        let shape: [usize; D] = leaf.shape.as_slice().try_into().map_err(|_| ModelError::TensorShape {
            origin: ORIGIN.into(),
            key: name.into(),
            expected: vec![0; D],
            found: leaf.shape.clone(),
        })?;
        Ok(leaf.values.clone().reshape(shape))
    }

    fn leaf(&self, name: &str) -> Result<&Leaf> {
        let missing = || ModelError::MissingTensor { origin: ORIGIN.into(), key: name.into(), expected: Vec::new() };
        Ok(self.tensors.get(name).ok_or_else(missing)?)
    }

    /// Whether `name` is there.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Where the numbers are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What the numbers are.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// A constant of `shape` beside the tensors.
    pub(super) fn constant<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), (&self.device, self.dtype))
    }

    /// Whether gradients are kept for these tensors.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Names and shapes in sorted order, each required.
    pub fn specs(&self) -> Vec<TensorSpec> {
        self.tensors.iter().map(|(name, leaf)| TensorSpec::required(name.clone(), leaf.shape.clone())).collect()
    }

    /// Every tensor's values as f32, row-major, by name.
    ///
    /// # Errors
    /// [`TrainerError::Engine`].
    pub fn values(&self) -> Result<BTreeMap<String, Vec<f32>>> {
        self.tensors.iter().map(|(name, leaf)| Ok((name.clone(), leaf.read(name)?))).collect()
    }

    /// The values of the tensor `name` as f32, row-major.
    ///
    /// # Errors
    /// [`ModelError::MissingTensor`], [`TrainerError::Engine`].
    pub(super) fn read(&self, name: &str) -> Result<Vec<f32>> {
        self.leaf(name)?.read(name)
    }

    /// The tensors as the device's graph builders take them.
    ///
    /// # Errors
    /// [`TrainerError::Engine`].
    pub fn named(&self) -> Result<NamedTensors> {
        let mut tensors = Vec::with_capacity(self.tensors.len());
        for (name, values) in self.values()? {
            let shape = self.tensors.get(&name).map_or_else(Vec::new, |leaf| leaf.shape.clone());
            tensors.push((name, Plain::new(shape, values)?));
        }
        Ok(NamedTensors::from_tensors(ORIGIN, tensors))
    }

    /// The gradient of every tensor that has one, by name, row-major; they are taken out of `gradients`.
    ///
    /// # Errors
    /// [`TrainerError::Engine`].
    pub fn gradients<E: Element>(&self, gradients: &mut Gradients) -> Result<BTreeMap<String, Vec<E>>> {
        let mut taken = BTreeMap::new();
        for (name, leaf) in &self.tensors {
            let Some(gradient) = leaf.values.grad_remove(gradients) else { continue };
            let failed = |e| TrainerError::Engine { action: "read the gradients", reason: format!("{name}: {e:?}") };
            taken.insert(name.clone(), gradient.try_into_vec_as::<E>().map_err(failed)?);
        }
        Ok(taken)
    }

    /// The same tensors with other values, row-major, for those that `values` names.
    ///
    /// # Errors
    /// [`ModelError::TensorShape`] for another number of values.
    pub fn with_values<E: Element>(mut self, values: &BTreeMap<String, Vec<E>>) -> Result<Self> {
        for (name, leaf) in &mut self.tensors {
            let Some(values) = values.get(name) else { continue };
            let n = leaf.shape.iter().product::<usize>();
            if values.len() != n {
                return Err(TrainerError::from(ModelError::TensorShape {
                    origin: "new values".into(),
                    key: name.clone(),
                    expected: leaf.shape.clone(),
                    found: vec![values.len()],
                }));
            }
            let data = TensorData::new(values.clone(), [n]);
            leaf.values = Tensor::from_data(data, (&self.device, self.dtype)).set_require_grad(leaf.learned);
        }
        Ok(self)
    }
}

/// Whether the tensor is a running statistic of a batch normalisation.
fn is_statistic(name: &str) -> bool {
    name.ends_with(".running_mean") || name.ends_with(".running_var")
}
