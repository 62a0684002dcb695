//! Layers with PyTorch's layout and names, so that a parameter's path is its key in the authors' state dict.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::noise::Noise;

/// y = x W^T + b.
#[derive(Module, Debug)]
pub(crate) struct Linear {
    /// W [outputs, inputs].
    pub(crate) weight: Param<Tensor<2>>,
    /// b `[outputs]`.
    pub(crate) bias: Param<Tensor<1>>,
}

impl Linear {
    /// [N, outputs] for x [N, inputs].
    ///
    /// Rows are one long axis: with a batch axis more, the weight's gradient would be one matrix per clip, then summed.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.val().transpose()) + self.bias.val().unsqueeze()
    }
}

/// The place of a layer without parameters (ReLU, dropout) in the numbering of a PyTorch sequence.
#[derive(Module, Debug)]
pub(crate) struct Gap;

/// One affine map, ReLU and dropout.
pub(crate) type Mlp1 = (Linear, Gap);
/// Two affine maps, each with ReLU and dropout; the second has number 3.
pub(crate) type Mlp2 = (Linear, Gap, Gap, Linear);

/// Lin, ReLU, dropout (spec section 3): [N, inputs] to [N, outputs].
pub(crate) fn mlp1(mlp: &Mlp1, x: Tensor<2>, noise: &mut Noise) -> Tensor<2> {
    noise.mlp(relu(mlp.0.forward(x)))
}

/// Lin, ReLU, dropout twice, also after the last (spec section 3): [N, inputs] to [N, outputs].
pub(crate) fn mlp2(mlp: &Mlp2, x: Tensor<2>, noise: &mut Noise) -> Tensor<2> {
    let x = noise.mlp(relu(mlp.0.forward(x)));
    noise.mlp(relu(mlp.3.forward(x)))
}

/// The contrastive head: no dropout, no ReLU at the end.
pub(crate) type Head = (Linear, Gap, Linear);

/// Lin, ReLU, Lin: [N, inputs] to [N, outputs].
pub(crate) fn head(head: &Head, x: Tensor<2>) -> Tensor<2> {
    head.2.forward(relu(head.0.forward(x)))
}

/// A layer norm that the authors declare and nothing calls.
#[derive(Module, Debug)]
pub(crate) struct UnusedNorm {
    /// Gains.
    pub(crate) weight: Param<Tensor<1>>,
    /// Offsets.
    pub(crate) bias: Param<Tensor<1>>,
}

/// A parametric ReLU that the authors declare and nothing calls.
#[derive(Module, Debug)]
pub(crate) struct UnusedRelu {
    /// Slopes.
    pub(crate) weight: Param<Tensor<1>>,
}
