//! Root mean square distances between the flows.

use burn::tensor::Tensor;

/// sqrt(mean over all elements of (taught - teacher)^2 + epsilon), `[1]`.
///
/// With `detach` the teacher is a constant. `epsilon` keeps the slope finite where both are equal.
pub(super) fn rmse<const D: usize>(taught: Tensor<D>, teacher: Tensor<D>, detach: bool, epsilon: f64) -> Tensor<1> {
    let teacher = if detach { teacher.detach() } else { teacher };
    (taught - teacher).square().mean().add_scalar(epsilon).sqrt()
}
