//! Convolutions: waveforms to frames, and the positional convolution over frames. All are products of windows.

use burn::tensor::Tensor;

use super::Wavlm;
use crate::Result;
use crate::networks::host::{gelu, windows};

/// Kernel widths and strides of the seven convolutions over the waveform.
const LAYERS: [(usize, usize); 7] = [(10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)];
/// What stands before the names of the positional convolution's tensors.
const POSITIONAL: &str = "encoder.pos_conv_embed.conv";

impl Wavlm {
    /// Frames [B `longest`, hidden] of `clips`: seven times convolution, norm over channels and GELU, then norm and map.
    pub(super) fn features<W: AsRef<[f32]>>(&self, clips: &[W], longest: usize) -> Result<Tensor<2>> {
        let (channels, epsilon) = (self.config.conv_channels, self.config.layer_norm_eps);
        let samples = 320 * longest + 80;
        let mut waves = Vec::with_capacity(clips.len() * samples);
        for (clip, wave) in clips.iter().enumerate() {
            waves.extend_from_slice(wave.as_ref());
            waves.resize((clip + 1) * samples, 0.0);
        }
        let mut x: Tensor<3> = self.parameters.constant(waves, [clips.len(), samples, 1]);
        for (i, (kernel, stride)) in LAYERS.into_iter().enumerate() {
            let name = format!("feature_extractor.conv_layers.{i}");
            let weight: Tensor<3> = self.parameters.get(&format!("{name}.conv.weight"))?;
            let rows = windows(x, kernel, stride);
            let [_, count, width] = rows.dims();
            let matrix = weight.permute([2, 1, 0]).reshape([width, channels]);
            let y = rows.reshape([clips.len() * count, width]).matmul(matrix);
            let y = gelu(self.parameters.layer_norm(&format!("{name}.layer_norm"), y, epsilon)?);
            x = y.reshape([clips.len(), count, channels]);
        }
        let x = x.reshape([clips.len() * longest, channels]);
        let x = self.parameters.layer_norm("feature_projection.layer_norm", x, epsilon)?;
        self.parameters.affine("feature_projection.projection", x)
    }

    /// x + GELU(grouped convolution over frames) for `x` [B T, hidden], frames past a clip's end being zero.
    pub(super) fn add_positions(&self, x: Tensor<2>, frames: &[usize]) -> Result<Tensor<2>> {
        let (hidden, groups, kernel) = (self.config.hidden, self.config.conv_pos_groups, self.config.conv_pos_kernel);
        let (clips, width) = (frames.len(), hidden / groups);
        let length = x.dims()[0] / clips.max(1);
        let x = self.without_padding(x, frames, length);
        // An even kernel padded by half on both sides makes one frame too many; the reference drops the last.
        let before = kernel / 2;
        let after = before - usize::from(kernel.is_multiple_of(2));
        let zeros = |n: usize| self.parameters.constant(vec![0.0; clips * n * hidden], [clips, n, hidden]);
        let mut parts = vec![x.clone().reshape([clips, length, hidden])];
        if before > 0 {
            parts.insert(0, zeros(before));
        }
        if after > 0 {
            parts.push(zeros(after));
        }
        let padded = length + before + after;
        let by_group: Tensor<4> = Tensor::cat(parts, 1).reshape([clips, padded, groups, width]).permute([2, 0, 1, 3]);
        let rows = windows(by_group.reshape([groups * clips, padded, width]), kernel, 1);
        let rows: Tensor<3> = rows.reshape([groups, clips * length, kernel * width]);
        let weight: Tensor<4> = self.positional_weight()?.reshape([groups, width, width, kernel]);
        let matrices: Tensor<3> = weight.permute([0, 3, 2, 1]).reshape([groups, kernel * width, width]);
        let y: Tensor<2> = rows.matmul(matrices).swap_dims(0, 1).reshape([clips * length, hidden]);
        let bias: Tensor<1> = self.parameters.get(&format!("{POSITIONAL}.bias"))?;
        Ok(x + gelu(y + bias.unsqueeze()))
    }

    /// `x` [B T, hidden] with zeros from each clip's end on.
    fn without_padding(&self, x: Tensor<2>, frames: &[usize], length: usize) -> Tensor<2> {
        if frames.iter().all(|&frames| frames == length) {
            return x;
        }
        let row = |&frames: &usize| (0..length).map(move |t| if t < frames { 1.0 } else { 0.0 });
        let kept: Vec<f32> = frames.iter().flat_map(row).collect();
        let rows = kept.len();
        x * self.parameters.constant(kept, [rows, 1])
    }

    /// Weight of the positional convolution [hidden, hidden / groups, kernel]: norms times directions of length 1 at each
    /// place of the kernel.
    fn positional_weight(&self) -> Result<Tensor<3>> {
        let norms: Tensor<3> = self.parameters.get(&format!("{POSITIONAL}.parametrizations.weight.original0"))?;
        let directions: Tensor<3> = self.parameters.get(&format!("{POSITIONAL}.parametrizations.weight.original1"))?;
        let squares = directions.clone().square().sum_dim(0).sum_dim(1);
        Ok(directions * (norms / squares.sqrt()))
    }
}
