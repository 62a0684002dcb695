//! Convolution, pooling and batch normalisation folded into the convolution before it.

use super::graph::{Attr, Graph, Value};
use crate::{ModelError, Result};

/// A two-dimensional convolution's weights, PyTorch layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    /// [out, in, kernel, kernel].
    pub weight: Vec<f32>,
    /// `[out]`.
    pub bias: Vec<f32>,
    /// Input channels.
    pub inputs: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Step in both directions.
    pub stride: usize,
    /// Zeros added on each side.
    pub padding: usize,
}

/// A batch normalisation in inference form, one entry per channel.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm<'a> {
    /// Gain.
    pub gain: &'a [f32],
    /// Bias.
    pub bias: &'a [f32],
    /// Running mean.
    pub mean: &'a [f32],
    /// Running variance.
    pub variance: &'a [f32],
    /// Added to the variance.
    pub epsilon: f64,
}

impl BatchNorm<'_> {
    /// Weight [out, ..] and bias `[out]` of the one convolution that equals a convolution without bias followed by this
    /// normalisation. Computed in f64, rounded once.
    ///
    /// # Errors
    /// [`ModelError::Contract`] when the lengths differ or a variance is negative; [`ModelError::NotFinite`] when a
    /// result does not fit into f32. `name` is the convolution's, for messages.
    pub fn fold(&self, name: &str, weight: &[f32]) -> Result<(Vec<f32>, Vec<f32>)> {
        let channels = self.gain.len();
        let lengths = [self.bias.len(), self.mean.len(), self.variance.len()];
        if channels == 0 || lengths != [channels; 3] || !weight.len().is_multiple_of(channels) {
            return Err(ModelError::Contract {
                model: name.into(),
                tensor: "batch normalisation".into(),
                expected: format!("{channels} channels throughout"),
                found: format!("{lengths:?} channels over {} weights", weight.len()),
            });
        }
        if let Some((i, variance)) = self.variance.iter().enumerate().find(|(_, v)| **v < 0.0) {
            return Err(ModelError::Contract {
                model: name.into(),
                tensor: "running variance".into(),
                expected: "no negative number".into(),
                found: format!("{variance} in channel {i}"),
            });
        }
        let mut folded = Vec::with_capacity(weight.len());
        let mut bias = Vec::with_capacity(channels);
        for (c, row) in weight.chunks_exact(weight.len() / channels).enumerate() {
            let factor = f64::from(self.gain[c]) / (f64::from(self.variance[c]) + self.epsilon).sqrt();
            folded.extend(row.iter().map(|w| (f64::from(*w) * factor) as f32));
            bias.push((f64::from(self.bias[c]) - f64::from(self.mean[c]) * factor) as f32);
        }
        for (what, values) in [("weight", &folded), ("bias", &bias)] {
            if let Some((index, value)) = values.iter().copied().enumerate().find(|(_, v)| !v.is_finite()) {
                let what = format!("{what} after folding its batch normalisation");
                return Err(ModelError::NotFinite { origin: name.into(), what, index, value });
            }
        }
        Ok((folded, bias))
    }
}

impl Graph {
    /// A convolution of `x` [N, in, H, W].
    ///
    /// # Errors
    /// As [`Graph::weight`].
    pub fn conv2d(&mut self, x: &Value, conv: &Conv2d) -> Result<Value> {
        let shape = [conv.bias.len(), conv.inputs, conv.kernel, conv.kernel];
        let weight = self.weight("weight", &shape, &conv.weight)?;
        let bias = self.weight("bias", &[conv.bias.len()], &conv.bias)?;
        Ok(self.node("Conv", &[x, &weight, &bias], &window(conv.kernel, conv.stride, conv.padding)))
    }

    /// The largest value per window of `x` [N, C, H, W]; padding never wins.
    pub fn max_pool(&mut self, x: &Value, kernel: usize, stride: usize, padding: usize) -> Value {
        self.node("MaxPool", &[x], &window(kernel, stride, padding))
    }

    /// Mean over `axes`, kept as length 1 or dropped.
    pub fn mean(&mut self, x: &Value, axes: &[i64], keep: bool) -> Value {
        self.reduce("ReduceMean", x, axes, keep)
    }

    /// Maximum over `axes`, kept as length 1 or dropped.
    pub fn max(&mut self, x: &Value, axes: &[i64], keep: bool) -> Value {
        self.reduce("ReduceMax", x, axes, keep)
    }

    /// 1 / (1 + exp(-x)).
    pub fn sigmoid(&mut self, x: &Value) -> Value {
        self.node("Sigmoid", &[x], &[])
    }

    fn reduce(&mut self, op: &str, x: &Value, axes: &[i64], keep: bool) -> Value {
        self.node(op, &[x], &[Attr::Ints("axes", axes.to_vec()), Attr::Int("keepdims", keep.into())])
    }
}

fn window(kernel: usize, stride: usize, padding: usize) -> [Attr; 3] {
    [
        Attr::Ints("kernel_shape", vec![kernel as i64; 2]),
        Attr::Ints("strides", vec![stride as i64; 2]),
        Attr::Ints("pads", vec![padding as i64; 4]),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    /// Two channels, one weight each: norm(w x) must equal the folded line.
    #[test]
    fn folding_keeps_the_function() {
        let norm = BatchNorm {
            gain: &[2.0, -1.0],
            bias: &[0.5, 3.0],
            mean: &[1.0, -4.0],
            variance: &[0.25, 9.0],
            epsilon: 1e-5,
        };
        let (weight, bias) = norm.fold("test", &[3.0, 0.7]).unwrap();
        for x in [-2.0, 0.0, 5.5] {
            for c in 0..2 {
                let raw = [3.0, f64::from(0.7f32)][c] * x;
                let deviation = (f64::from(norm.variance[c]) + 1e-5).sqrt();
                let normed =
                    (raw - f64::from(norm.mean[c])) / deviation * f64::from(norm.gain[c]) + f64::from(norm.bias[c]);
                let folded = f64::from(weight[c]) * x + f64::from(bias[c]);
                assert!((normed - folded).abs() < 1e-5, "channel {c}, x {x}: {normed} against {folded}");
            }
        }
    }

    #[test]
    fn a_negative_variance_is_refused() {
        let norm = BatchNorm { gain: &[1.0], bias: &[0.0], mean: &[0.0], variance: &[-0.1], epsilon: 1e-5 };
        let error = norm.fold("stem", &[1.0]).unwrap_err();
        assert!(error.to_string().contains("-0.1 in channel 0"), "{error}");
    }

    #[test]
    fn a_fold_beyond_f32_is_refused() {
        let norm = BatchNorm { gain: &[3e38], bias: &[0.0], mean: &[0.0], variance: &[0.0], epsilon: 1e-5 };
        assert!(matches!(norm.fold("stem", &[1.0]).unwrap_err(), ModelError::NotFinite { .. }));
    }
}
