//! Running a prepared graph.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::plan::SimpleState;

use super::contract::{GraphContract, TensorContract};
use super::graph::{PreparedGraph, engine};
use super::profile::{OperatorTime, Stopwatch};
use crate::onnx::Dtype;
use crate::progress::progress;
use crate::tensor::Tensor;
use crate::{ModelError, Result};

/// One input of a run, borrowed from the caller.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// f32 elements, row-major, with their axis lengths.
    F32(&'a [usize], &'a [f32]),
    /// Truth values, row-major, with their axis lengths.
    Bool(&'a [usize], &'a [bool]),
}

impl<'a> From<&'a Tensor> for Input<'a> {
    fn from(t: &'a Tensor) -> Self {
        Self::F32(t.shape(), t.data())
    }
}

impl Input<'_> {
    fn shape(&self) -> &[usize] {
        match self {
            Self::F32(shape, _) | Self::Bool(shape, _) => shape,
        }
    }

    fn dtype(&self) -> Dtype {
        match self {
            Self::F32(..) => Dtype::F32,
            Self::Bool(..) => Dtype::Bool,
        }
    }

    fn value(&self) -> TractResult<TValue> {
        let tensor = match self {
            Self::F32(shape, data) => tract_onnx::prelude::Tensor::from_shape(shape, data)?,
            Self::Bool(shape, data) => tract_onnx::prelude::Tensor::from_shape(shape, data)?,
        };
        Ok(tensor.into_tvalue())
    }
}

/// A plan's working memory; belongs to one thread at a time.
pub struct Session {
    graph: PreparedGraph,
    state: SimpleState<TypedFact, Box<dyn TypedOp>>,
}

impl Session {
    pub(super) fn new(graph: &PreparedGraph) -> Result<Self> {
        let state = graph.plan.spawn().map_err(|e| engine(&graph.contract, "start a session", &e))?;
        Ok(Self { graph: graph.clone(), state })
    }

    /// Runs the graph; inputs and outputs in the contract's order.
    ///
    /// # Errors
    /// [`ModelError::Contract`] for an input of another shape or type, [`ModelError::NotFinite`] for NaN or infinity in
    /// an input or output, [`ModelError::Engine`]. The session stays usable.
    pub fn run(&mut self, inputs: &[Input<'_>]) -> Result<Vec<Tensor>> {
        let values = self.values(inputs)?;
        let outputs = self
            .state
            .run_plan_with_eval(values, |context, state, node, inputs| {
                progress();
                tract_onnx::tract_core::plan::eval(context, state, node, inputs)
            })
            .map_err(|e| engine(&self.graph.contract, "run", &e));
        self.take(outputs)
    }

    /// As [`Session::run`], with the time of each operator kind, the longest first.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run_profiled(&mut self, inputs: &[Input<'_>]) -> Result<(Vec<Tensor>, Vec<OperatorTime>)> {
        let values = self.values(inputs)?;
        let mut watch = Stopwatch::default();
        let outputs = self
            .state
            .run_plan_with_eval(values, |context, state, node, inputs| {
                watch.time(&node.op.name(), || tract_onnx::tract_core::plan::eval(context, state, node, inputs))
            })
            .map_err(|e| engine(&self.graph.contract, "run", &e));
        Ok((self.take(outputs)?, watch.into_times()))
    }

    /// Throws away everything that runs left in the working memory; the next run begins as the first one did.
    ///
    /// # Errors
    /// [`ModelError::Engine`].
    pub fn renew(&mut self) -> Result<()> {
        self.state = self.graph.plan.spawn().map_err(|e| engine(&self.graph.contract, "start a session", &e))?;
        Ok(())
    }

    fn values(&self, inputs: &[Input<'_>]) -> Result<TVec<TValue>> {
        let contract: &GraphContract = &self.graph.contract;
        if inputs.len() != contract.inputs.len() {
            return Err(ModelError::Contract {
                model: contract.model.into(),
                tensor: "inputs".into(),
                expected: format!("{} tensors", contract.inputs.len()),
                found: format!("{} tensors", inputs.len()),
            });
        }
        inputs.iter().zip(&contract.inputs).map(|(input, want)| self.value(input, want)).collect()
    }

    fn value(&self, input: &Input<'_>, want: &TensorContract) -> Result<TValue> {
        let model = self.graph.contract.model;
        if input.dtype() != want.dtype || !want.admits(input.shape()) || input.shape().contains(&0) {
            return Err(ModelError::Contract {
                model: model.into(),
                tensor: want.name.to_string(),
                expected: format!("{:?} {} with no empty axis", want.dtype, want.axes_text()),
                found: format!("{:?} {:?}", input.dtype(), input.shape()),
            });
        }
        if let Input::F32(_, data) = input {
            check_finite(model, &want.name, data)?;
        }
        input.value().map_err(|e| engine(&self.graph.contract, "take an input", &e))
    }

    fn take(&mut self, outputs: Result<TVec<TValue>>) -> Result<Vec<Tensor>> {
        let outputs = match outputs {
            Ok(outputs) => outputs,
            Err(e) => {
                // A failed run leaves half-done values behind; the next run must not see them.
                self.state =
                    self.graph.plan.spawn().map_err(|e| engine(&self.graph.contract, "start a session", &e))?;
                return Err(e);
            }
        };
        let contract = &self.graph.contract;
        outputs.into_iter().zip(&contract.outputs).map(|(value, want)| tensor(contract, value, want)).collect()
    }
}

fn tensor(contract: &GraphContract, value: TValue, want: &TensorContract) -> Result<Tensor> {
    let shape = value.shape().to_vec();
    if !want.admits(&shape) {
        return Err(ModelError::Contract {
            model: contract.model.into(),
            tensor: want.name.to_string(),
            expected: want.axes_text(),
            found: format!("{shape:?}"),
        });
    }
    let array = value.into_tensor().into_plain_array::<f32>().map_err(|e| engine(contract, "give an output", &e))?;
    let data =
        if array.is_standard_layout() { array.into_raw_vec_and_offset().0 } else { array.iter().copied().collect() };
    check_finite(contract.model, &want.name, &data)?;
    Tensor::new(shape, data)
}

fn check_finite(model: &str, name: &str, data: &[f32]) -> Result<()> {
    match data.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(index) => {
            Err(ModelError::NotFinite { origin: model.into(), what: name.into(), index, value: data[index] })
        }
    }
}
