//! Layers by the name that stands before their tensors'.

use burn::tensor::Tensor;

use super::Parameters;
use super::host::{layer_norm, rms_norm};
use crate::Result;

impl Parameters {
    /// x W^T for `x` [N, inputs], W [outputs, inputs].
    pub(super) fn map(&self, name: &str, x: Tensor<2>) -> Result<Tensor<2>> {
        let weight: Tensor<2> = self.get(&format!("{name}.weight"))?;
        Ok(x.matmul(weight.transpose()))
    }

    /// x W^T + b for `x` [N, inputs].
    pub(super) fn affine(&self, name: &str, x: Tensor<2>) -> Result<Tensor<2>> {
        let bias: Tensor<1> = self.get(&format!("{name}.bias"))?;
        Ok(self.map(name, x)? + bias.unsqueeze())
    }

    /// Layer norm of the rows of `x` [N, width].
    pub(super) fn layer_norm(&self, name: &str, x: Tensor<2>, epsilon: f32) -> Result<Tensor<2>> {
        let (gain, bias) = (self.get(&format!("{name}.weight"))?, self.get(&format!("{name}.bias"))?);
        Ok(layer_norm(x, gain, bias, f64::from(epsilon)))
    }

    /// Norm by the root of the mean square of the rows of `x` [N, width].
    pub(super) fn rms_norm(&self, name: &str, x: Tensor<2>, epsilon: f32) -> Result<Tensor<2>> {
        Ok(rms_norm(x, self.get(&format!("{name}.weight"))?, f64::from(epsilon)))
    }
}

/// `x` [clips T, heads x width] by head: [clips, heads, T, width].
pub(super) fn by_head(x: Tensor<2>, clips: usize, heads: usize) -> Tensor<4> {
    let [rows, all] = x.dims();
    x.reshape([clips, rows / clips, heads, all / heads]).swap_dims(1, 2)
}

/// `x` [clips, heads, T, width] by row: [clips T, heads x width].
pub(super) fn by_row(x: Tensor<4>) -> Tensor<2> {
    let [clips, heads, length, width] = x.dims();
    x.swap_dims(1, 2).reshape([clips * length, heads * width])
}
