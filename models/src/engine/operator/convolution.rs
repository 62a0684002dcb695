//! Convolutions over bytes or floats, channels last.

use std::sync::Arc;

use tract_onnx::pb::NodeProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use super::constants::Constants;
use super::linear::activation;
use super::{Data, Node, Operator, names};
use crate::onnx::Numbers;
use mien_kernel::{
    Activation, Finish, Image, Isa, Lines, Norm, PackedMatrix, PackedWeight, Quantised, floats, product,
};

/// x [T, inputs] or [N, H, W, inputs] -> [.., outputs]. A sequence is a picture of height 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Convolution {
    numbers: Numbers,
    inputs: usize,
    outputs: usize,
    groups: usize,
    /// Vertical, horizontal.
    kernel: [usize; 2],
    strides: [usize; 2],
    /// Above, below, left, right.
    around: [usize; 4],
    residual: bool,
    /// Epsilon of a layer norm over the outputs.
    norm: Option<f32>,
    activation: Activation,
}

impl Convolution {
    pub(super) fn read(node: &NodeProto) -> TractResult<Arc<dyn Node>> {
        let list = |name: &str| -> TractResult<Vec<usize>> { node.get_attr_vec(name) };
        let pair = |name: &str| {
            let found = list(name)?;
            <[usize; 2]>::try_from(found)
                .map_err(|found| TractError::msg(format!("{name}: two numbers, not {found:?}")))
        };
        let around = <[usize; 4]>::try_from(list("around")?)
            .map_err(|found| TractError::msg(format!("around: four numbers, not {found:?}")))?;
        let new = Self {
            numbers: names::numbers(&node.op_type).context("no convolution")?,
            inputs: node.get_attr("inputs")?,
            outputs: node.get_attr("outputs")?,
            groups: node.get_attr("groups")?,
            kernel: pair("kernel")?,
            strides: pair("strides")?,
            around,
            residual: node.get_attr_opt::<usize>("residual")?.unwrap_or(0) != 0,
            norm: node.get_attr_opt("epsilon")?,
            activation: activation(node)?,
        };
        let Self { inputs, outputs, groups, kernel, strides, .. } = new;
        let sizes = [inputs, outputs, groups].into_iter().chain(kernel).chain(strides);
        ensure!(
            sizes.chain(around.map(|n| n + 1)).all(|size| (1..1 << 16).contains(&size))
                && inputs.is_multiple_of(groups)
                && outputs.is_multiple_of(groups)
                && (groups == 1 || new.norm.is_none() && !new.residual),
            "a convolution that cannot be: {new:?}"
        );
        Ok(Arc::new(new))
    }

    /// Elements of a point of a group: bytes come in fours.
    fn point(&self) -> usize {
        let each = self.inputs / self.groups;
        if self.numbers == Numbers::Bytes { each.next_multiple_of(4) } else { each }
    }

    /// Lines of the output, and rows of a line. The picture is not smaller than the kernel.
    fn extent(&self, image: Image) -> [usize; 2] {
        let along = |axis: usize, length: usize| (length - self.kernel[axis]) / self.strides[axis] + 1;
        [along(0, image.lines()), along(1, image.points())]
    }

    /// Length of the output for a length of the input along an axis.
    fn along(&self, axis: usize, length: &TDim) -> TDim {
        let whole = length.clone() + self.around[2 * axis] + self.around[2 * axis + 1];
        (whole - self.kernel[axis]) / self.strides[axis] + 1
    }
}

impl Node for Convolution {
    fn data(&self) -> usize {
        1 + usize::from(self.residual)
    }

    fn shape(&self, data: &[TVec<TDim>]) -> TractResult<TVec<TDim>> {
        let (inputs, outputs) = (self.inputs.to_dim(), self.outputs.to_dim());
        let shape = match data.first().map(|shape| shape.as_slice()) {
            Some([length, channels]) if *channels == inputs && self.kernel[0] == 1 => {
                tvec!(self.along(1, length), outputs)
            }
            Some([count, height, width, channels]) if *channels == inputs => {
                tvec!(count.clone(), self.along(0, height), self.along(1, width), outputs)
            }
            found => bail!("expected [T, {inputs}] or [N, H, W, {inputs}], found {found:?}"),
        };
        if let Some(residual) = data.get(1) {
            ensure!(*residual == shape, "residual: expected {shape:?}, found {residual:?}");
        }
        Ok(shape)
    }

    fn with(&self, mut constants: Constants<'_>) -> TractResult<Arc<dyn Operator>> {
        let each = self.outputs / self.groups;
        let segment = self.kernel[1] * self.point();
        let weights = match self.numbers {
            Numbers::Bytes => Weights::Bytes(constants.weights(self.groups, each, self.kernel[0], segment)?),
            Numbers::Floats => Weights::Floats(constants.matrices(self.groups, each, self.kernel[0], segment)?),
        };
        let bias = constants.floats("bias", Some(self.outputs))?;
        let norm = match self.norm {
            None => None,
            Some(_) => {
                Some([constants.floats("gain", Some(self.outputs))?, constants.floats("shift", Some(self.outputs))?])
            }
        };
        Ok(Arc::new(Ready { node: *self, weights, bias, norm, isa: Isa::best() }))
    }
}

/// One for each group.
#[derive(Debug)]
enum Weights {
    Bytes(Vec<PackedWeight>),
    Floats(Vec<PackedMatrix>),
}

#[derive(Debug)]
pub(super) struct Ready {
    node: Convolution,
    weights: Weights,
    bias: Vec<f32>,
    norm: Option<[Vec<f32>; 2]>,
    isa: Isa,
}

impl Operator for Ready {
    fn run(&self, data: &[Data<'_>], out: &mut [f32]) -> TractResult<()> {
        let Convolution { kernel, around, .. } = self.node;
        let input = data.first().context("no input")?;
        let (height, width) = match *input.shape {
            [width, _] => (1, width),
            [_, height, width, _] => (height, width),
            _ => bail!("expected two or four axes, found {:?}", input.shape),
        };
        let image = Image { height, width, channels: self.node.inputs, around };
        ensure!(
            image.lines() >= kernel[0] && image.points() >= kernel[1],
            "expected at least {kernel:?} points, found {height} x {width} within {around:?}"
        );
        let each = height * width * image.channels;
        ensure!(each > 0, "an empty picture");
        let residual = data.get(1).map_or(&[][..], |residual| residual.values);
        let [lines, rows] = self.node.extent(image);
        let (count, size) = (input.values.len() / each, lines * rows * self.node.outputs);
        ensure!(out.len() == count * size, "room for {} numbers, expected {}", out.len(), count * size);
        let pictures = input.values.chunks_exact(each);
        for (i, (picture, out)) in pictures.zip(out.chunks_exact_mut(size)).enumerate() {
            let residual = residual.get(i * size..(i + 1) * size).unwrap_or_default();
            self.picture(picture, image, residual, out);
        }
        Ok(())
    }
}

impl Ready {
    fn picture(&self, x: &[f32], image: Image, residual: &[f32], out: &mut [f32]) {
        let Convolution { groups, strides, outputs, activation, .. } = self.node;
        let line = image.points() * self.node.point();
        let [count, rows] = self.node.extent(image);
        let lines = Lines {
            lines: count,
            rows,
            step: strides[1] * self.node.point(),
            stride: strides[0] * line,
            segment: line,
        };
        let norm = self.norm.as_ref().zip(self.node.norm);
        let norm = norm.and_then(|([gain, shift], epsilon)| Norm::new(gain, shift, epsilon));
        let each = outputs / groups;
        // Groups are products of their own, whose outputs lie side by side in the end.
        let mut part = if groups > 1 { vec![0.0; lines.lines * lines.rows * each] } else { Vec::new() };
        let mut group = |g: usize, product: &dyn Fn(Finish<'_>, &mut [f32])| {
            let finish = Finish { bias: &self.bias[g * each..][..each], residual, norm, activation };
            if groups == 1 {
                return product(finish, out);
            }
            product(finish, &mut part);
            for (out, part) in out.chunks_exact_mut(outputs).zip(part.chunks_exact(each)) {
                out[g * each..][..each].copy_from_slice(part);
            }
        };
        match &self.weights {
            Weights::Bytes(weights) => {
                let bytes = Quantised::by_group(x, image, groups, self.isa);
                for (g, weight) in weights.iter().enumerate() {
                    group(g, &|finish, out| product::product(bytes.group(g), lines, weight, finish, out, self.isa));
                }
            }
            Weights::Floats(matrices) => {
                let whole = image.surrounded(x, groups);
                let size = image.lines() * line;
                for (g, matrix) in matrices.iter().enumerate() {
                    let x = &whole[g * size..][..size];
                    group(g, &|finish, out| floats::product(x, lines, matrix, finish, out, self.isa));
                }
            }
        }
    }
}
