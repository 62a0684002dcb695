//! Convolutions: waveform to frames, and the positional convolution over frames.

use super::config::{KERNELS, STRIDES, WavlmConfig};
use super::parameters::{POSITIONAL, affine, positional_weight};
use crate::Result;
use crate::onnx::{Attr, Graph, Value};
use crate::tensor::NamedTensors;

/// Seven times convolution, layer norm over channels, GELU: `waveform` [1, 320 T + 80] -> [T, channels].
///
/// Channels stay last throughout. Each convolution is one matrix product over windows that reshapes and slices lay side
/// by side, so the norms run over contiguous rows and nothing is transposed. Lengths on the way: 64 T + 15, 32 T + 7,
/// 16 T + 3, 8 T + 1, 4 T, 2 T, T.
pub(super) fn feature_extractor(
    g: &mut Graph,
    config: &WavlmConfig,
    tensors: &NamedTensors,
    waveform: &Value,
) -> Result<Value> {
    let mut x = g.reshape(waveform, &[-1, 1]);
    for i in 0..KERNELS.len() {
        x = layer(g, config, tensors, i, &x)?;
    }
    Ok(x)
}

/// Convolution `i` of [`feature_extractor`] with its norm and GELU.
fn layer(g: &mut Graph, config: &WavlmConfig, tensors: &NamedTensors, i: usize, x: &Value) -> Result<Value> {
    let channels = config.conv_channels;
    let (kernel, stride) = (KERNELS[i], STRIDES[i]);
    let inputs = if i == 0 { 1 } else { channels };
    let name = format!("feature_extractor.conv_layers.{i}");
    g.scoped(name.as_str(), |g| {
        let weight = tensors.get(&format!("{name}.conv.weight"), &[channels, inputs, kernel])?;
        let matrix = window_matrix(&weight, channels, inputs, kernel);
        let matrix = g.weight("weight", &[kernel * inputs, channels], &matrix)?;
        let windows = windows(g, x, inputs, kernel, stride);
        let y = g.matmul(&windows, &matrix);
        let (gain, bias) = affine(tensors, &format!("{name}.layer_norm"), &[channels])?;
        let y = g.layer_norm(&y, &gain, &bias, config.layer_norm_eps)?;
        Ok(g.gelu(&y))
    })
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

/// x + GELU(grouped convolution over frames), [T, hidden].
pub(super) fn add_positions(g: &mut Graph, config: &WavlmConfig, tensors: &NamedTensors, x: &Value) -> Result<Value> {
    let WavlmConfig { hidden, conv_pos_kernel: kernel, conv_pos_groups: groups, .. } = *config;
    g.scoped("encoder.pos_conv_embed", |g| {
        let weight = positional_weight(config, tensors)?;
        let weight = g.weight("weight", &[hidden, hidden / groups, kernel], &weight)?;
        let bias = tensors.get(&format!("{POSITIONAL}.bias"), &[hidden])?;
        let bias = g.weight("bias", &[hidden], &bias)?;
        // An even kernel padded by half on both sides makes one frame too many; the reference drops the last.
        let before = (kernel / 2) as i64;
        let after = before - i64::from(kernel.is_multiple_of(2));
        let columns = g.transpose(x, &[1, 0]);
        let columns = g.unsqueeze(&columns, 0);
        let y = g.node(
            "Conv",
            &[&columns, &weight, &bias],
            &[
                Attr::Ints("kernel_shape", vec![kernel as i64]),
                Attr::Ints("pads", vec![before, after]),
                Attr::Int("group", groups as i64),
            ],
        );
        let y = g.squeeze(&y, 0);
        let y = g.transpose(&y, &[1, 0]);
        let y = g.gelu(&y);
        Ok(g.add(x, &y))
    })
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
