//! Convolutions with their normalisations, and the three residual blocks made of them.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::Norms;
use crate::Result;
use crate::networks::Parameters;
use crate::networks::host::{Moments, Square, batch_norm, convolution};

/// Of every normalisation.
const EPSILON: f64 = 1e-5;
/// Share of a batch in the running averages.
const MOMENTUM: f32 = 0.1;
/// Channel groups of a multi-scale block.
const SCALES: usize = 4;
/// 3 x 3 places.
pub(super) const NEAR: Square = Square { kernel: 3, stride: 1, padding: 1 };

/// One batch on its way through the network.
pub(super) struct Pass<'a> {
    pub(super) parameters: &'a Parameters,
    pub(super) statistics: Statistics,
}

/// What normalises, and what becomes of the running averages.
pub(super) struct Statistics {
    norms: Norms,
    pub(super) running: BTreeMap<String, Vec<f32>>,
}

impl Statistics {
    pub(super) fn new(norms: Norms) -> Self {
        Self { norms, running: BTreeMap::new() }
    }
}

impl Pass<'_> {
    /// Convolution `conv` of `x` [N, height, width, channels] and the normalisation `norm`; then, where `rectified`, the
    /// larger of that and 0.
    pub(super) fn conv(
        &mut self,
        conv: &str,
        norm: &str,
        x: Tensor<4>,
        square: Square,
        rectified: bool,
    ) -> Result<Tensor<4>> {
        let weight: Tensor<4> = self.parameters.get(&format!("{conv}.weight"))?;
        let [outputs, inputs, ..] = weight.dims();
        let [n, height, width, _] = x.dims();
        let (rows, [rows_high, rows_wide]) = if square.kernel == 1 && square.stride == 1 {
            let matrix = weight.reshape([outputs, inputs]).transpose();
            (x.reshape([n * height * width, inputs]).matmul(matrix), [height, width])
        } else {
            convolution(x, weight, square)
        };
        let y = self.norm(norm, rows, rectified)?;
        Ok(y.reshape([n, rows_high, rows_wide, outputs]))
    }

    /// The normalisation `name` of the columns of `x` [N, channels].
    fn norm(&mut self, name: &str, x: Tensor<2>, rectified: bool) -> Result<Tensor<2>> {
        let parameters = self.parameters;
        let get = |part: &str| -> Result<Tensor<1>> { parameters.get(&format!("{name}.{part}")) };
        let (gain, bias) = (get("weight")?, get("bias")?);
        if self.statistics.norms == Norms::Running {
            let (mean, variance) = (get("running_mean")?, get("running_var")?);
            let scale = gain / variance.add_scalar(EPSILON).sqrt();
            let offset = bias - mean * scale.clone();
            let y = x * scale.unsqueeze() + offset.unsqueeze();
            return Ok(if rectified { relu(y) } else { y });
        }
        let [n, _] = x.dims();
        let (y, moments) = batch_norm(x, gain, bias, EPSILON, rectified);
        self.follow(name, &moments, n)?;
        Ok(y)
    }

    /// Moves the running averages of `name` towards a batch of `n` rows, whose variance counts as an estimate of a
    /// larger whole's.
    fn follow(&mut self, name: &str, moments: &Moments, n: usize) -> Result<()> {
        let unbiased = n as f32 / (n.max(2) - 1) as f32;
        for (part, new, scale) in [("running_mean", &moments.mean, 1.0), ("running_var", &moments.variance, unbiased)] {
            let name = format!("{name}.{part}");
            let mut values = self.parameters.read(&name)?;
            values.iter_mut().zip(new).for_each(|(old, new)| *old += MOMENTUM * (new * scale - *old));
            self.statistics.running.insert(name, values);
        }
        Ok(())
    }

    /// Two residual blocks; the first moves in steps of `stride`.
    pub(super) fn stage(&mut self, key: &str, stride: usize, x: Tensor<4>) -> Result<Tensor<4>> {
        let x = self.block(&format!("{key}.0"), stride, x)?;
        self.block(&format!("{key}.1"), 1, x)
    }

    fn block(&mut self, key: &str, stride: usize, x: Tensor<4>) -> Result<Tensor<4>> {
        let y =
            self.conv(&format!("{key}.conv1"), &format!("{key}.bn1"), x.clone(), Square { stride, ..NEAR }, true)?;
        let y = if self.parameters.contains(&format!("{key}.conv2.weight")) {
            let y = self.conv(&format!("{key}.conv2"), &format!("{key}.bn2"), y, NEAR, false)?;
            match self.parameters.contains(&format!("{key}.cbam.ChannelGate.mlp.1.weight")) {
                true => self.attention(&format!("{key}.cbam"), y)?,
                false => y,
            }
        } else {
            self.chain(key, 1, &y)? + self.chain(key, 2, &y)?
        };
        let identity = if self.parameters.contains(&format!("{key}.downsample.0.weight")) {
            let square = Square { kernel: 1, stride, padding: 0 };
            self.conv(&format!("{key}.downsample.0"), &format!("{key}.downsample.1"), x, square, false)?
        } else {
            x
        };
        Ok(relu(y + identity))
    }

    /// A chain over the channel groups s_1..s_4: o_1 = f(s_1), o_k = f(relu(o_(k-1)) + s_k), joined before any ReLU.
    fn chain(&mut self, key: &str, chain: usize, x: &Tensor<4>) -> Result<Tensor<4>> {
        let [_, _, _, channels] = x.dims();
        let group = channels / SCALES;
        let mut outputs: Vec<Tensor<4>> = Vec::with_capacity(SCALES);
        for k in 0..SCALES {
            let part = x.clone().narrow(3, k * group, group);
            let input = match outputs.last() {
                None => part,
                Some(previous) => relu(previous.clone()) + part,
            };
            let name = format!("{chain}_2_{}", k + 1);
            outputs.push(self.conv(&format!("{key}.conv{name}"), &format!("{key}.bn{name}"), input, NEAR, false)?);
        }
        Ok(Tensor::cat(outputs, 3))
    }
}
