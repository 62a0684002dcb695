//! Layers written as ONNX nodes in the forms that tract recognises and runs fast.

use super::graph::{Attr, Graph, Value};
use crate::Result;
use mien_kernel::Activation;

impl Graph {
    /// `x W^T + b` on the last axis; `weight` [out, in] as PyTorch stores it, written transposed as [in, out].
    ///
    /// # Errors
    /// As [`Graph::weight`].
    pub fn linear(&mut self, x: &Value, weight: &[f32], bias: &[f32], inputs: usize) -> Result<Value> {
        let outputs = bias.len();
        let transposed = transpose(weight, outputs, inputs);
        let w = self.weight("weight", &[inputs, outputs], &transposed)?;
        let b = self.weight("bias", &[outputs], bias)?;
        let y = self.node("MatMul", &[x, &w], &[]);
        Ok(self.node("Add", &[&y, &b], &[]))
    }

    /// Layer normalisation over the last axis with gain and bias.
    ///
    /// # Errors
    /// As [`Graph::weight`].
    pub fn layer_norm(&mut self, x: &Value, gain: &[f32], bias: &[f32], epsilon: f32) -> Result<Value> {
        let gain_value = self.weight("gain", &[gain.len()], gain)?;
        let bias_value = self.weight("bias", &[bias.len()], bias)?;
        let attrs = [Attr::Int("axis", -1), Attr::Float("epsilon", epsilon)];
        Ok(self.node("LayerNormalization", &[x, &gain_value, &bias_value], &attrs))
    }

    /// Exact GELU, x/2 (1 + erf(x / sqrt 2)), in the form that tract fuses into one operator.
    pub fn gelu(&mut self, x: &Value) -> Value {
        let root = self.scalar("sqrt_two", std::f32::consts::SQRT_2);
        let one = self.scalar("one", 1.0);
        let half = self.scalar("half", 0.5);
        let scaled = self.node("Div", &[x, &root], &[]);
        let erf = self.node("Erf", &[&scaled], &[]);
        let plus = self.node("Add", &[&erf, &one], &[]);
        let product = self.node("Mul", &[x, &plus], &[]);
        self.node("Mul", &[&product, &half], &[])
    }

    /// max(x, 0).
    pub fn relu(&mut self, x: &Value) -> Value {
        self.node("Relu", &[x], &[])
    }

    /// The activation of `x`, as operators of its own.
    pub fn activation(&mut self, x: Value, activation: Activation) -> Value {
        match activation {
            Activation::None => x,
            Activation::Relu => self.relu(&x),
            Activation::Gelu => self.gelu(&x),
        }
    }

    /// Matrix product over the last two axes.
    pub fn matmul(&mut self, a: &Value, b: &Value) -> Value {
        self.node("MatMul", &[a, b], &[])
    }

    /// Sum with broadcasting.
    pub fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Add", &[a, b], &[])
    }

    /// Difference with broadcasting.
    pub fn sub(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Sub", &[a, b], &[])
    }

    /// Product with broadcasting.
    pub fn mul(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Mul", &[a, b], &[])
    }

    /// Softmax over `axis`.
    pub fn softmax(&mut self, x: &Value, axis: i64) -> Value {
        self.node("Softmax", &[x], &[Attr::Int("axis", axis)])
    }

    /// The same elements as `dims`; 0 keeps an axis, -1 is worked out.
    pub fn reshape(&mut self, x: &Value, dims: &[i64]) -> Value {
        let shape = self.ints("shape", dims);
        self.node("Reshape", &[x, &shape], &[])
    }

    /// Axes reordered by `perm`.
    pub fn transpose(&mut self, x: &Value, perm: &[i64]) -> Value {
        self.node("Transpose", &[x], &[Attr::Ints("perm", perm.to_vec())])
    }

    /// `values` joined along `axis`.
    pub fn concat(&mut self, values: &[&Value], axis: i64) -> Value {
        self.node("Concat", values, &[Attr::Int("axis", axis)])
    }

    /// Elements `start..end` along `axis` (`i64::MAX` as end: to the end; negative: from the end).
    pub fn slice(&mut self, x: &Value, axis: i64, start: i64, end: i64) -> Value {
        let starts = self.ints("starts", &[start]);
        let ends = self.ints("ends", &[end]);
        let axes = self.ints("axes", &[axis]);
        self.node("Slice", &[x, &starts, &ends, &axes], &[])
    }

    /// A new axis of length 1 at `axis`.
    pub fn unsqueeze(&mut self, x: &Value, axis: i64) -> Value {
        let axes = self.ints("axes", &[axis]);
        self.node("Unsqueeze", &[x, &axes], &[])
    }

    /// Without the axis of length 1 at `axis`.
    pub fn squeeze(&mut self, x: &Value, axis: i64) -> Value {
        let axes = self.ints("axes", &[axis]);
        self.node("Squeeze", &[x, &axes], &[])
    }

    /// The length of `axis` as an i64 of rank 0.
    pub fn length(&mut self, x: &Value, axis: i64) -> Value {
        let shape = self.node("Shape", &[x], &[]);
        let axis = self.int_scalar("axis", axis);
        self.gather(&shape, &axis, 0)
    }

    /// The integers from 0 up to `end` (rank 0), without it.
    pub fn range(&mut self, end: &Value) -> Value {
        // Rank 0 throughout: tract refuses a one-element vector here.
        let start = self.int_scalar("start", 0);
        let step = self.int_scalar("step", 1);
        self.node("Range", &[&start, end, &step], &[])
    }

    /// Entries of `data` at `indices` along `axis`.
    pub fn gather(&mut self, data: &Value, indices: &Value, axis: i64) -> Value {
        self.node("Gather", &[data, indices], &[Attr::Int("axis", axis)])
    }
}

/// [rows, columns] -> [columns, rows], both row-major.
fn transpose(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    if matrix.len() != rows * columns {
        // `Graph::weight` reports the mismatch with the tensor's name.
        return matrix.to_vec();
    }
    // Blocks keep both sides in cache; these matrices reach 64 MB.
    const BLOCK: usize = 32;
    let mut out = vec![0.0; matrix.len()];
    for r0 in (0..rows).step_by(BLOCK) {
        for c0 in (0..columns).step_by(BLOCK) {
            for r in r0..(r0 + BLOCK).min(rows) {
                for c in c0..(c0 + BLOCK).min(columns) {
                    out[c * rows + r] = matrix[r * columns + c];
                }
            }
        }
    }
    out
}
