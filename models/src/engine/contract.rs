//! What the caller of a graph relies on.

use std::borrow::Cow;

use serde::Serialize;

use crate::onnx::Dtype;

/// Key under which a graph's file says with which configuration it was built.
const CONFIG_KEY: &str = "mien.config";

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

/// Inputs and outputs of a graph, in the order in which a session takes and gives them, and what its file says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphContract {
    /// The network's name, for messages.
    pub model: &'static str,
    /// Inputs in order.
    pub inputs: Vec<TensorContract>,
    /// Outputs in order.
    pub outputs: Vec<TensorContract>,
    /// Keys and values that the file must hold as its metadata: sizes that no input and no output shows.
    pub description: Vec<(&'static str, String)>,
}

/// The description of a network that was built with `config`, as JSON.
pub(crate) fn described(config: &impl Serialize) -> (&'static str, String) {
    // Structs of numbers and names can always be written; a text that no file holds would be refused, not accepted.
    (CONFIG_KEY, serde_json::to_string(config).unwrap_or_else(|e| format!("not written: {e}")))
}
