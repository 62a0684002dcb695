//! Nodes of this project's own operators ([`crate::engine`]), which no other runtime knows.

use super::graph::{Attr, Graph, Value};
use super::numbers::Numbers;
use crate::engine::operator::names;
use crate::{ModelError, Result};
use mien_kernel::weight::{GROUP, LANES, pack, quantise_weights};
use mien_kernel::{Activation, floats};

/// Gain, bias and epsilon of a layer norm.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<'a> {
    /// One number for each channel.
    pub gain: &'a [f32],
    /// One number for each channel.
    pub bias: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
}

/// A convolution, channels last, with what follows it.
#[derive(Clone, Copy, Debug)]
pub struct FusedConvolution<'a> {
    /// What is multiplied; bytes have one scale for each group of a picture.
    pub numbers: Numbers,
    /// [out, vertical, horizontal, in / groups].
    pub weight: &'a [f32],
    /// `[out]`.
    pub bias: &'a [f32],
    /// Input channels.
    pub inputs: usize,
    /// Channels are convolved in this many groups.
    pub groups: usize,
    /// Vertical, horizontal.
    pub kernel: [usize; 2],
    /// Vertical, horizontal.
    pub strides: [usize; 2],
    /// Zeros above, below, left, right.
    pub around: [usize; 4],
    /// Layer norm over the outputs.
    pub norm: Option<LayerNorm<'a>>,
    /// Applied last.
    pub activation: Activation,
}

/// Constants of a gated attention; see [`mien_kernel::GatedAttention`].
#[derive(Clone, Copy, Debug)]
pub struct AttentionConstants<'a> {
    /// [heads, an odd number], from [`Graph::weight`]: all layers share it.
    pub table: &'a Value,
    /// [2, width].
    pub gate_weight: &'a [f32],
    /// `[2]`.
    pub gate_bias: &'a [f32],
    /// `[heads]`.
    pub gate_constant: &'a [f32],
}

impl Graph {
    /// activation(x W^T + b + residual), bytes with a scale for each row of `x`; `weight` [out, in] as PyTorch stores it.
    ///
    /// # Errors
    /// As [`Graph::weight`]; [`ModelError::NotFinite`] for a weight that is no number.
    pub fn fused_linear(
        &mut self,
        numbers: Numbers,
        x: &Value,
        weight: &[f32],
        bias: &[f32],
        residual: Option<&Value>,
        activation: Activation,
    ) -> Result<Value> {
        let outputs = bias.len();
        let inputs = weight.len() / outputs.max(1);
        let constants = self.panels(numbers, weight, Panels { outputs, groups: 1, segments: 1, points: 1 })?;
        let bias = self.weight("bias", &[outputs], bias)?;
        let attrs = [
            Attr::Int("inputs", inputs as i64),
            Attr::Int("outputs", outputs as i64),
            Attr::Int("residual", residual.is_some().into()),
            activation_attribute(activation),
        ];
        let values: Vec<&Value> = [x].into_iter().chain(residual).chain(&constants).chain([&bias]).collect();
        let name = if numbers == Numbers::Bytes { names::BYTE_LINEAR } else { names::LINEAR };
        Ok(self.own_node(name, &values, &attrs))
    }

    /// A convolution of `x` [T, in] or [N, H, W, in]; `residual` is added before the activation.
    ///
    /// # Errors
    /// As [`Graph::fused_linear`].
    pub fn fused_convolution(
        &mut self,
        x: &Value,
        conv: &FusedConvolution<'_>,
        residual: Option<&Value>,
    ) -> Result<Value> {
        let outputs = conv.bias.len();
        let [segments, points] = conv.kernel;
        let shape = Panels { outputs, groups: conv.groups, segments, points };
        let constants = self.panels(conv.numbers, conv.weight, shape)?;
        let mut values = vec![x];
        values.extend(residual);
        let bias = self.weight("bias", &[outputs], conv.bias)?;
        values.extend(constants.iter().chain([&bias]));
        let ints = |values: &[usize]| values.iter().map(|v| *v as i64).collect();
        let mut attrs = vec![
            Attr::Int("inputs", conv.inputs as i64),
            Attr::Int("outputs", outputs as i64),
            Attr::Int("groups", conv.groups as i64),
            Attr::Ints("kernel", ints(&conv.kernel)),
            Attr::Ints("strides", ints(&conv.strides)),
            Attr::Ints("around", ints(&conv.around)),
            Attr::Int("residual", residual.is_some().into()),
            activation_attribute(conv.activation),
        ];
        let norm = match conv.norm {
            None => None,
            Some(norm) => {
                attrs.push(Attr::Float("epsilon", norm.epsilon));
                let gain = self.weight("gain", &[outputs], norm.gain)?;
                Some([gain, self.weight("shift", &[outputs], norm.bias)?])
            }
        };
        values.extend(norm.iter().flatten());
        let name = if conv.numbers == Numbers::Bytes { names::BYTE_CONVOLUTION } else { names::CONVOLUTION };
        Ok(self.own_node(name, &values, &attrs))
    }

    /// The largest value per window of `x` [N, H, W, C]; padding never wins.
    pub fn max_pool_channels_last(&mut self, x: &Value, kernel: usize, stride: usize, padding: usize) -> Value {
        let attrs = [("kernel", kernel), ("stride", stride), ("padding", padding)];
        self.own_node(names::POOL, &[x], &attrs.map(|(name, value)| Attr::Int(name, value as i64)))
    }

    /// Mean and largest value of each channel of `x` [N, H, W, C] over places, [N, 2, C].
    pub fn pooled_over_places(&mut self, x: &Value) -> Value {
        self.own_node(names::POOLED, &[x], &[Attr::Int("over_places", 1)])
    }

    /// Largest value and mean of each place of `x` [N, H, W, C] over channels, [N, H, W, 2].
    pub fn pooled_over_channels(&mut self, x: &Value) -> Value {
        self.own_node(names::POOLED, &[x], &[Attr::Int("over_places", 0)])
    }

    /// Layer norm over the last axis in one pass.
    ///
    /// # Errors
    /// As [`Graph::weight`].
    pub fn fused_layer_norm(&mut self, x: &Value, norm: LayerNorm<'_>) -> Result<Value> {
        let gain = self.weight("gain", &[norm.gain.len()], norm.gain)?;
        let bias = self.weight("bias", &[norm.bias.len()], norm.bias)?;
        let attrs = [Attr::Int("width", norm.gain.len() as i64), Attr::Float("epsilon", norm.epsilon)];
        Ok(self.own_node(names::NORM, &[x, &gain, &bias], &attrs))
    }

    /// Attention over `projected` [T, 3 hidden] with gates from `stream` [T, hidden]; in a network of bytes, what is
    /// multiplied may be rounded to bfloat16.
    ///
    /// # Errors
    /// As [`Graph::weight`].
    pub fn gated_attention(
        &mut self,
        numbers: Numbers,
        projected: &Value,
        stream: &Value,
        constants: AttentionConstants<'_>,
    ) -> Result<Value> {
        let AttentionConstants { table, gate_weight, gate_bias, gate_constant } = constants;
        let (heads, width) = (gate_constant.len(), gate_weight.len() / 2);
        let mut attrs = vec![Attr::Int("heads", heads as i64), Attr::Int("width", width as i64)];
        attrs.extend((numbers == Numbers::Bytes).then_some(Attr::Int("halves", 1)));
        let gate_weight = self.weight("gate_weight", &[2, width], gate_weight)?;
        let gate_bias = self.weight("gate_bias", &[2], gate_bias)?;
        let gate_constant = self.weight("gate_constant", &[heads], gate_constant)?;
        let values = [projected, stream, table, &gate_weight, &gate_bias, &gate_constant];
        Ok(self.own_node(names::ATTENTION, &values, &attrs))
    }

    /// `weight` as panels; for bytes, with their scales.
    fn panels(&mut self, numbers: Numbers, weight: &[f32], shape: Panels) -> Result<Vec<Value>> {
        match numbers {
            Numbers::Bytes => self.byte_panels(weight, shape),
            Numbers::Floats => {
                let each = (shape.outputs / shape.groups.max(1)).max(1);
                let group = weight.len() / shape.groups.max(1);
                let panels: Vec<f32> =
                    weight.chunks(group.max(1)).flat_map(|group| floats::pack(group, each)).collect();
                let inputs = weight.len() / shape.outputs.max(1);
                let axes = [panels.len() / (inputs * LANES).max(1), inputs, LANES];
                Ok(vec![self.weight("weight", &axes, &panels)?])
            }
        }
    }

    /// Each point's inputs are filled up to a multiple of 4, as the operator lays out what they meet.
    fn byte_panels(&mut self, weight: &[f32], shape: Panels) -> Result<Vec<Value>> {
        let Panels { outputs, groups, segments, points } = shape;
        let Some((bytes, scales)) = quantise_weights(weight, outputs) else {
            let (index, value) = weight.iter().copied().enumerate().find(|(_, w)| !w.is_finite()).unwrap_or_default();
            let origin = self.scope_name();
            return Err(ModelError::NotFinite { origin, what: "weight".into(), index, value });
        };
        let inputs = bytes.len() / (outputs * segments * points).max(1);
        let mut filled = Vec::with_capacity(bytes.len() / inputs.max(1) * inputs.next_multiple_of(GROUP));
        for point in bytes.chunks(inputs.max(1)) {
            filled.extend_from_slice(point);
            filled.resize(filled.len() + inputs.next_multiple_of(GROUP) - inputs, 0);
        }
        let each = (outputs / groups.max(1)).max(1);
        let row = segments * points * inputs.next_multiple_of(GROUP);
        let panels: Vec<i8> =
            filled.chunks((each * row).max(1)).flat_map(|group| pack(group, each, segments)).collect();
        let shape = [panels.len() / (row * LANES).max(1), row / GROUP, LANES, GROUP];
        let panels = self.bytes("weight", &shape, &panels)?;
        Ok(vec![panels, self.weight("scale", &[outputs], &scales)?])
    }
}

/// What a weight's axes are: [outputs, segments, points, inputs], its outputs in groups.
#[derive(Clone, Copy)]
struct Panels {
    outputs: usize,
    groups: usize,
    segments: usize,
    points: usize,
}

/// [out, in, places] -> [out, places, in], the order of [`FusedConvolution::weight`] from PyTorch's.
pub(crate) fn channels_last(weight: &[f32], inputs: usize, places: usize) -> Vec<f32> {
    let output = |row: &[f32]| -> Vec<f32> {
        (0..places).flat_map(|p| row.iter().skip(p).step_by(places).copied().collect::<Vec<_>>()).collect()
    };
    weight.chunks((inputs * places).max(1)).flat_map(output).collect()
}

fn activation_attribute(activation: Activation) -> Attr {
    let number = match activation {
        Activation::None => 0,
        Activation::Relu => 1,
        Activation::Gelu => 2,
    };
    Attr::Int("activation", number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_come_last() {
        // [2 outputs, 2 inputs, 3 positions]: digits are output, input, position.
        let weight = [0., 1., 2., 10., 11., 12., 100., 101., 102., 110., 111., 112.];
        assert_eq!(channels_last(&weight, 2, 3), [0., 10., 1., 11., 2., 12., 100., 110., 101., 111., 102., 112.]);
    }
}
