//! Layers in standard operators, which any ONNX runtime has.

use super::attention::{PROJECTIONS, gate, projection};
use super::config::WavlmConfig;
use super::layers::{Builder, Convolution, Layers, Linear};
use super::parameters::{POSITIONAL, affine, positional_padding, positional_weight};
use crate::Result;
use crate::onnx::{Attr, Graph, Value};

/// Standard operators, in `f32`.
pub(super) struct Standard;

impl Layers for Builder<'_, Standard> {
    /// Channels stay last throughout. A convolution is one matrix product over windows that reshapes and slices lay side by
    /// side, so the norms run over contiguous rows and nothing is transposed.
    fn convolution(&mut self, convolution: Convolution<'_>, x: &Value) -> Result<Value> {
        let Convolution { name, inputs, kernel, stride } = convolution;
        let WavlmConfig { conv_channels: channels, layer_norm_eps, .. } = *self.config;
        let tensors = self.tensors;
        self.graph.scoped(name, |g| {
            let weight = tensors.get(&format!("{name}.conv.weight"), &[channels, inputs, kernel])?;
            let matrix = window_matrix(&weight, channels, inputs, kernel);
            let matrix = g.weight("weight", &[kernel * inputs, channels], &matrix)?;
            let windows = windows(g, x, inputs, kernel, stride);
            let y = g.matmul(&windows, &matrix);
            let (gain, bias) = affine(tensors, &format!("{name}.layer_norm"), &[channels])?;
            let y = g.layer_norm(&y, &gain, &bias, layer_norm_eps)?;
            Ok(g.gelu(&y))
        })
    }

    fn positions(&mut self, x: &Value) -> Result<Value> {
        let (config, tensors) = (self.config, self.tensors);
        let WavlmConfig { hidden, conv_pos_kernel: kernel, conv_pos_groups: groups, .. } = *config;
        self.graph.scoped("encoder.pos_conv_embed", |g| {
            let weight = positional_weight(config, tensors)?;
            let weight = g.weight("weight", &[hidden, hidden / groups, kernel], &weight)?;
            let bias = tensors.get(&format!("{POSITIONAL}.bias"), &[hidden])?;
            let bias = g.weight("bias", &[hidden], &bias)?;
            let columns = g.transpose(x, &[1, 0]);
            let columns = g.unsqueeze(&columns, 0);
            let y = g.node(
                "Conv",
                &[&columns, &weight, &bias],
                &[
                    Attr::Ints("kernel_shape", vec![kernel as i64]),
                    Attr::Ints("pads", positional_padding(kernel).map(|n| n as i64).to_vec()),
                    Attr::Int("group", groups as i64),
                ],
            );
            let y = g.squeeze(&y, 0);
            let y = g.transpose(&y, &[1, 0]);
            let y = g.gelu(&y);
            Ok(g.add(x, &y))
        })
    }

    /// P [heads, T, T] with P[h, i, j] the bias of head h at distance j - i. The graph looks distances up in the table, so
    /// the length is free.
    fn position_bias(&mut self, table: &Value, reach: usize, x: &Value) -> Result<Value> {
        self.graph.scoped("encoder.position_bias", |g| {
            let frames = g.length(x, 0);
            let frames = g.range(&frames);
            let keys = g.unsqueeze(&frames, 0);
            let queries = g.unsqueeze(&frames, 1);
            let distance = g.sub(&keys, &queries);
            let low = g.int_scalar("low", -(reach as i64));
            let high = g.int_scalar("high", reach as i64);
            let distance = g.node("Max", &[&distance, &low], &[]);
            let distance = g.node("Min", &[&distance, &high], &[]);
            let column = g.add(&distance, &high);
            Ok(g.gather(table, &column, 1))
        })
    }

    fn context(&mut self, block: &str, z: &Value, bias: &Value) -> Result<Value> {
        let (config, tensors) = (self.config, self.tensors);
        let (hidden, heads, width) = (config.hidden, config.heads as i64, config.head_width() as i64);
        let name = format!("{block}.attention");
        self.graph.scoped(name.as_str(), |g| {
            let mut map = |part: &str| {
                let (weight, bias) = projection(config, tensors, &name, part)?;
                g.scoped(part, |g| g.linear(z, &weight, &bias, hidden))
            };
            let [query, key, value] = PROJECTIONS;
            let (query, key, value) = (map(query)?, map(key)?, map(value)?);
            let mut by_head = |x: &Value, perm: &[i64]| {
                let x = g.reshape(x, &[-1, heads, width]);
                g.transpose(&x, perm)
            };
            let query = by_head(&query, &[1, 0, 2]);
            let key = by_head(&key, &[1, 2, 0]);
            let value = by_head(&value, &[1, 0, 2]);
            let logits = g.matmul(&query, &key);
            let gate = gate(config, tensors, &name)?;
            let gate = g.scoped("gate", |g| {
                let slices = g.reshape(z, &[-1, width]);
                let sums = g.linear(&slices, &gate.weight, &gate.bias, width as usize)?;
                let shares = g.node("Sigmoid", &[&sums], &[]);
                let shares = g.reshape(&shares, &[-1, heads, 2]);
                let shares = g.transpose(&shares, &[1, 0, 2]);
                let a = g.slice(&shares, 2, 0, 1);
                let b = g.slice(&shares, 2, 1, 2);
                let constant = g.weight("constant", &[heads as usize, 1, 1], &gate.constant)?;
                let one = g.scalar("one", 1.0);
                let two = g.scalar("two", 2.0);
                let scaled = g.mul(&b, &constant);
                let scaled = g.sub(&scaled, &one);
                let product = g.mul(&a, &scaled);
                Ok(g.add(&product, &two))
            })?;
            let bias = g.mul(bias, &gate);
            let logits = g.add(&logits, &bias);
            let weights = g.softmax(&logits, -1);
            let context = g.matmul(&weights, &value);
            let context = g.transpose(&context, &[1, 0, 2]);
            Ok(g.reshape(&context, &[-1, hidden as i64]))
        })
    }

    fn norm(&mut self, name: &str, width: usize, x: &Value) -> Result<Value> {
        let (gain, bias) = affine(self.tensors, name, &[width])?;
        let epsilon = self.config.layer_norm_eps;
        self.graph.scoped(name, |g| g.layer_norm(x, &gain, &bias, epsilon))
    }

    fn linear(&mut self, linear: Linear<'_>, x: &Value) -> Result<Value> {
        let Linear { part, name, shape, residual, activation } = linear;
        let name = format!("{part}.{name}");
        let (weight, bias) = affine(self.tensors, &name, &shape)?;
        let y = self.graph.scoped(name, |g| g.linear(x, &weight, &bias, shape[1]))?;
        self.graph.scoped(part, |g| {
            let y = match residual {
                Some(residual) => g.add(residual, &y),
                None => y,
            };
            Ok(g.activation(y, activation))
        })
    }
}

/// `x` [length, channels] -> [windows, kernel x channels], position-major, for the kernel and stride pairs of WavLM.
///
/// Strided slices are not understood on an axis of unknown length, hence blocks of `stride` rows seen as one row.
fn windows(g: &mut Graph, x: &Value, channels: usize, kernel: usize, stride: usize) -> Value {
    let block = (stride * channels) as i64;
    if kernel == stride {
        return g.reshape(x, &[-1, block]);
    }
    if kernel == 2 * stride {
        // The length is a whole number of blocks: window i is block i and block i + 1.
        let blocks = g.reshape(x, &[-1, block]);
        let first = g.slice(&blocks, 0, 0, -1);
        let second = g.slice(&blocks, 0, 1, i64::MAX);
        return g.concat(&[&first, &second], 1);
    }
    // kernel = stride + 1 and one row more than whole blocks: the blocks shifted by one row end in the row that each
    // window lacks.
    let blocks = g.slice(x, 0, 0, -1);
    let blocks = g.reshape(&blocks, &[-1, block]);
    let shifted = g.slice(x, 0, 1, i64::MAX);
    let shifted = g.reshape(&shifted, &[-1, block]);
    let next = g.slice(&shifted, 1, block - channels as i64, block);
    g.concat(&[&blocks, &next], 1)
}

/// Convolution weight [outputs, inputs, kernel] -> [kernel x inputs, outputs], the matrix that windows are multiplied by.
fn window_matrix(weight: &[f32], outputs: usize, inputs: usize, kernel: usize) -> Vec<f32> {
    let mut matrix = Vec::with_capacity(weight.len());
    for k in 0..kernel {
        for input in 0..inputs {
            matrix.extend((0..outputs).filter_map(|output| weight.get((output * inputs + input) * kernel + k)));
        }
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_matrix_is_position_major() {
        // [2 outputs, 2 inputs, 3 positions]: digits are output, input, position.
        let weight = [0., 1., 2., 10., 11., 12., 100., 101., 102., 110., 111., 112.];
        let expected = [0., 100., 10., 110., 1., 101., 11., 111., 2., 102., 12., 112.];
        assert_eq!(window_matrix(&weight, 2, 2, 3), expected);
    }
}
