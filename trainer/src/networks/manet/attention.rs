//! CBAM: a gate per channel, then a gate per place (spec section 2.2).

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid};

use super::blocks::Pass;
use crate::Result;
use crate::networks::host::Square;

/// 7 x 7 places.
const WIDE: Square = Square { kernel: 7, stride: 1, padding: 3 };

impl Pass<'_> {
    /// `x` [N, height, width, channels] times its channel gate, that times its place gate.
    pub(super) fn attention(&mut self, key: &str, x: Tensor<4>) -> Result<Tensor<4>> {
        let gate = self.channel_gate(key, x.clone())?;
        let x = x * gate;
        let gate = self.place_gate(key, x.clone())?;
        Ok(x * gate)
    }

    /// sigmoid(mlp(mean over places) + mlp(maximum over places)): [N, 1, 1, channels].
    fn channel_gate(&self, key: &str, x: Tensor<4>) -> Result<Tensor<4>> {
        let [n, height, width, channels] = x.dims();
        let places: Tensor<3> = x.reshape([n, height * width, channels]);
        let mean: Tensor<2> = places.clone().mean_dim(1).reshape([n, channels]);
        let most: Tensor<2> = places.max_dim(1).reshape([n, channels]);
        let mlp = format!("{key}.ChannelGate.mlp");
        let inner = relu(self.parameters.affine(&format!("{mlp}.1"), Tensor::cat(vec![mean, most], 0))?);
        let both = self.parameters.affine(&format!("{mlp}.3"), inner)?;
        let sum = both.clone().narrow(0, 0, n) + both.narrow(0, n, n);
        Ok(sigmoid(sum).reshape([n, 1, 1, channels]))
    }

    /// sigmoid(norm(conv([maximum over channels, mean over channels]))): [N, height, width, 1].
    fn place_gate(&mut self, key: &str, x: Tensor<4>) -> Result<Tensor<4>> {
        let pooled = Tensor::cat(vec![x.clone().max_dim(3), x.mean_dim(3)], 3);
        let spatial = format!("{key}.SpatialGate.spatial");
        Ok(sigmoid(self.conv(&format!("{spatial}.conv"), &format!("{spatial}.bn"), pooled, WIDE, false)?))
    }
}
