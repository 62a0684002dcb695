//! Memory for what an operator gives.
#![allow(unsafe_code)]

use tract_onnx::prelude::*;

/// A tensor of `shape` whose numbers [`super::Operator::run`] is to write, each of them: filling it with zeros first would
/// be one more pass over every state of a network, on one thread.
pub(super) fn unwritten(shape: &[usize]) -> TractResult<Tensor> {
    // SAFETY: every bit pattern is an f32, and an operator writes each number of its output before anything reads it: that
    // is what its trait demands, and what comparing every network with plain operators would show.
    unsafe { Tensor::uninitialized::<f32>(shape) }
}
