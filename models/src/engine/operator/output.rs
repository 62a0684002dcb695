//! Memory for what an operator gives.
//!
//! Filling it with zeros first would be one more pass over every state of a network, on one thread. So it is handed out unwritten, to
//! operators alone that promise to write it whole; the promises stand here, each with its reason.
#![allow(unsafe_code)]

use tract_onnx::prelude::*;

use super::{Data, Operator, attention, convolution, linear, norm, pool, reduce};

/// An operator whose [`Operator::run`] writes every number of `out`, or gives an error, or panics.
///
/// # Safety
/// What `out` holds before is no number: [`run`] hands out memory that nobody has written. Where `run` gives `Ok`, each number of `out` must
/// have been written, and none may have been read before it was written, whatever shapes and values the data have.
pub(super) unsafe trait WritesAll {}

/// What `operator` makes of `data`: a tensor of `shape`.
pub(super) fn run(operator: &dyn Operator, data: &[Data<'_>], shape: &[usize]) -> TractResult<Tensor> {
    // SAFETY: every bit pattern is an f32, the operator has promised to write each number before anything reads it, and without its Ok the
    // tensor is dropped unread.
    let mut out = unsafe { Tensor::uninitialized::<f32>(shape) }?;
    operator.run(data, out.try_as_plain_ram_mut()?.as_slice_mut()?)?;
    Ok(out)
}

// SAFETY: both products of the kernel hold the length of `out` against rows times outputs and store every row's outputs; of no rows there
// is no output.
unsafe impl WritesAll for linear::Ready {}
// SAFETY: `out` is held against the number of pictures times a picture's lines, rows and outputs, so that every picture has its whole part of it;
// the kernel's products store every output of a row, and groups are copied side by side over all outputs.
unsafe impl WritesAll for convolution::Ready {}
// SAFETY: the kernel holds the length of `out` against that of the stream and copies each head's context into every row.
unsafe impl WritesAll for attention::Ready {}
// SAFETY: the data, of the length of `out`, are copied over it before the norm reads it.
unsafe impl WritesAll for norm::Ready {}
// SAFETY: `out` is held against the number of maps times lines, points and channels; each point is filled before its window is looked at.
unsafe impl WritesAll for pool::MaxPool {}
// SAFETY: `out` is held against the number of maps, or of points, times the two numbers for each; means and largest values are filled
// before they are added to.
unsafe impl WritesAll for reduce::Pooled {}
