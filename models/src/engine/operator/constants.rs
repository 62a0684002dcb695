//! The constants of a node, taken one after the other and held against what the operator expects.

use std::sync::Arc;

use tract_onnx::prelude::*;

use mien_kernel::{PackedMatrix, PackedWeight};

/// Constants that are left to be taken.
pub(super) struct Constants<'a> {
    node: &'a str,
    rest: std::slice::Iter<'a, Arc<Tensor>>,
}

impl<'a> Constants<'a> {
    pub(super) fn new(node: &'a str, tensors: &'a [Arc<Tensor>]) -> Self {
        Self { node, rest: tensors.iter() }
    }

    /// The next constant, `length` numbers; of any number where it is not given.
    pub(super) fn floats(&mut self, what: &str, length: Option<usize>) -> TractResult<Vec<f32>> {
        let values = self.next(what)?.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
        if length.is_some_and(|length| length != values.len()) {
            return Err(self.fault(what, format!("expected {length:?} numbers, found {}", values.len())));
        }
        if let Some(value) = values.iter().find(|v| !v.is_finite()) {
            return Err(self.fault(what, format!("it holds {value}")));
        }
        Ok(values)
    }

    /// The next two constants: panels and scales of `groups` weights of `outputs` outputs each, for rows of `segments`
    /// segments of `segment` bytes.
    pub(super) fn weights(
        &mut self,
        groups: usize,
        outputs: usize,
        segments: usize,
        segment: usize,
    ) -> TractResult<Vec<PackedWeight>> {
        let panels = self.next("weights")?.clone();
        let bytes = panels.try_as_plain_ram()?.as_slice::<i8>()?.len();
        let scales = self.floats("scales", outputs.checked_mul(groups))?;
        let weight = |(group, scales): (usize, &[f32])| {
            let each = bytes / groups.max(1);
            let part = Part { tensor: panels.clone(), from: group * each, to: (group + 1) * each };
            PackedWeight::new(Arc::new(part), scales, segments, segment).ok_or_else(|| {
                self.fault("weights", format!("{bytes} bytes do not fit {outputs} outputs of {segments} times {segment} inputs, or one is -128"))
            })
        };
        scales.chunks(outputs.max(1)).enumerate().map(weight).collect()
    }

    /// The next constant: `groups` matrices of `outputs` outputs each, for rows of `segments` segments of `segment` numbers.
    pub(super) fn matrices(
        &mut self,
        groups: usize,
        outputs: usize,
        segments: usize,
        segment: usize,
    ) -> TractResult<Vec<PackedMatrix>> {
        let panels = self.next("weights")?.clone();
        let count = panels.try_as_plain_ram()?.as_slice::<f32>()?.len();
        let each = count / groups.max(1);
        let matrix = |group: usize| {
            let part = Part { tensor: panels.clone(), from: group * each, to: (group + 1) * each };
            PackedMatrix::new(Arc::new(part), outputs, segments, segment).ok_or_else(|| {
                self.fault(
                    "weights",
                    format!("{count} numbers do not fit {outputs} outputs of {segments} times {segment} inputs"),
                )
            })
        };
        (0..groups).map(matrix).collect()
    }

    fn next(&mut self, what: &str) -> TractResult<&'a Arc<Tensor>> {
        self.rest.next().ok_or_else(|| self.fault(what, "it is missing".into()))
    }

    /// An error that names the node.
    pub(super) fn fault(&self, what: &str, reason: String) -> TractError {
        TractError::msg(format!("{}, {what}: {reason}", self.node))
    }
}

/// Elements of a tensor, which stays as the file's reader made it: nothing is copied.
struct Part {
    tensor: Arc<Tensor>,
    from: usize,
    to: usize,
}

impl AsRef<[i8]> for Part {
    fn as_ref(&self) -> &[i8] {
        let view = self.tensor.as_plain_ram();
        let bytes = view.and_then(|view| view.as_slice::<i8>().ok());
        bytes.and_then(|bytes| bytes.get(self.from..self.to)).unwrap_or_default()
    }
}

impl AsRef<[f32]> for Part {
    fn as_ref(&self) -> &[f32] {
        let view = self.tensor.as_plain_ram();
        let numbers = view.and_then(|view| view.as_slice::<f32>().ok());
        numbers.and_then(|numbers| numbers.get(self.from..self.to)).unwrap_or_default()
    }
}
