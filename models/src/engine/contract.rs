//! What the caller of a graph relies on.

use std::borrow::Cow;

use crate::onnx::Dtype;

/// One input or output: its name, element type and number of axes, with the lengths that are fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorContract {
    /// Name in the graph.
    pub name: Cow<'static, str>,
    /// Element type.
    pub dtype: Dtype,
    /// Axis lengths; `None` where the length is known at run time.
    pub axes: Vec<Option<usize>>,
}

impl TensorContract {
    /// An f32 tensor.
    pub fn f32(name: impl Into<Cow<'static, str>>, axes: impl Into<Vec<Option<usize>>>) -> Self {
        Self { name: name.into(), dtype: Dtype::F32, axes: axes.into() }
    }

    /// A tensor of truth values.
    pub fn bool(name: impl Into<Cow<'static, str>>, axes: impl Into<Vec<Option<usize>>>) -> Self {
        Self { name: name.into(), dtype: Dtype::Bool, axes: axes.into() }
    }

    /// Axes as people read them: `[1, ?, 1024]`.
    pub(crate) fn axes_text(&self) -> String {
        let axes: Vec<String> = self.axes.iter().map(|a| a.map_or("?".into(), |n| n.to_string())).collect();
        format!("[{}]", axes.join(", "))
    }

    /// Whether `shape` satisfies the axes.
    pub(crate) fn admits(&self, shape: &[usize]) -> bool {
        shape.len() == self.axes.len() && shape.iter().zip(&self.axes).all(|(s, a)| a.is_none_or(|a| a == *s))
    }
}

/// Inputs and outputs of a graph, in the order in which a session takes and gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphContract {
    /// The network's name, for messages.
    pub model: &'static str,
    /// Inputs in order.
    pub inputs: Vec<TensorContract>,
    /// Outputs in order.
    pub outputs: Vec<TensorContract>,
}
