//! Operations with slopes written out, for numbers in the host's memory.
//!
//! The tensor library computes an operation of several steps step by step, on one thread, and keeps every step for the
//! way back. What follows here does a whole norm, softmax or convolution window in one pass over memory, on all threads.
//! Elsewhere, and for f64, every caller has the library's own steps, which compute the same: a test holds both together.

mod activation;
mod batch_norm;
mod functions;
mod norm;
mod patches;
mod rotary;
mod softmax;
#[cfg(test)]
mod tests;
mod windows;

use std::fmt::Debug;

use burn::tensor::{Bytes, DType, Tensor};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::{Flex, FlexTensor, Layout};

pub(super) use activation::{gelu, swiglu};
pub(super) use batch_norm::{Moments, batch_norm};
pub(super) use norm::{layer_norm, rms_norm};
pub(super) use patches::{Square, convolution, largest};
pub(super) use rotary::{Rotation, rotate};
pub(super) use softmax::{Visible, gated_softmax, softmax};
pub(super) use windows::windows;

/// Numbers worked on by one task. Tasks are the same whatever the number of threads, so sums are too.
const BLOCK: usize = 1 << 14;

/// An operation on N arrays, row-major.
trait Operation<const N: usize>: Clone + Debug + Send + Sync + 'static {
    /// What it gives for `inputs`.
    fn value(&self, inputs: [&[f32]; N]) -> Vec<f32>;

    /// The slope by each input where that by the output is `slope`.
    fn slope(&self, inputs: [&[f32]; N], output: &[f32], slope: &[f32]) -> [Vec<f32>; N];
}

/// `operation` of `inputs` as a tensor of `shape`; None where the numbers are not f32 in the host's memory.
fn apply<O: Operation<N>, const N: usize, const D: usize>(
    operation: O,
    inputs: [Tensor<1>; N],
    shape: [usize; D],
) -> Option<Tensor<D>> {
    if inputs.iter().any(|input| input.dtype() != DType::F32) {
        return None;
    }
    let tracked = inputs.each_ref().map(|input| input.clone().try_into_primitive::<Autodiff<Flex>>().ok());
    if tracked.iter().any(Option::is_some) {
        let mut values = Vec::with_capacity(N);
        let mut guards = Vec::with_capacity(N);
        for (tracked, input) in tracked.into_iter().zip(inputs) {
            // Beside one that keeps gradients, any other is a constant.
            let constant = || Tensor::from_inner(input).try_into_primitive::<Autodiff<Flex>>().ok();
            let (value, guard) = tracked.or_else(constant)?.into_parts();
            values.push(rows(value));
            guards.push(guard);
        }
        let values: [FlexTensor; N] = values.try_into().ok()?;
        let guards = guards.try_into().ok()?;
        let output = tensor(operation.value(values.each_ref().map(numbers)), shape);
        let output = match Step(operation.clone()).prepare::<NoCheckpointing>(guards).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(State { operation, values, output: output.clone() }, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        return Some(Tensor::from_primitive::<Autodiff<Flex>>(output));
    }
    let plain: Vec<FlexTensor> =
        inputs.into_iter().map_while(|input| input.try_into_primitive::<Flex>().ok()).map(rows).collect();
    let values: [FlexTensor; N] = plain.try_into().ok()?;
    let output = tensor(operation.value(values.each_ref().map(numbers)), shape);
    Some(Tensor::from_primitive::<Flex>(output))
}

#[derive(Debug)]
struct Step<O>(O);

/// What the way back needs.
#[derive(Clone, Debug)]
struct State<O, const N: usize> {
    operation: O,
    values: [FlexTensor; N],
    output: FlexTensor,
}

impl<O: Operation<N>, const N: usize> Backward<Flex, N> for Step<O> {
    type State = State<O, N>;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let State { operation, values, output } = ops.state;
        let slope = rows(grads.consume::<Flex>(&ops.node));
        let slopes = operation.slope(values.each_ref().map(numbers), numbers(&output), numbers(&slope));
        for ((parent, slope), value) in ops.parents.into_iter().zip(slopes).zip(&values) {
            if let Some(parent) = parent {
                let shape = value.layout().shape().clone();
                let slope = FlexTensor::new(Bytes::from_elems(slope), Layout::contiguous(shape), DType::F32);
                grads.register::<Flex>(parent.id, slope);
            }
        }
    }
}

/// `x` row-major and from offset 0.
fn rows(x: FlexTensor) -> FlexTensor {
    if x.is_contiguous() && x.layout().start_offset() == 0 { x } else { x.to_contiguous() }
}

/// The numbers of a tensor that [`rows`] gave.
fn numbers(x: &FlexTensor) -> &[f32] {
    x.storage::<f32>().get(..x.layout().num_elements()).unwrap_or_default()
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape.into()), DType::F32)
}

/// `x` as one row of numbers.
fn flat<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let n = x.shape().num_elements();
    x.reshape([n])
}
