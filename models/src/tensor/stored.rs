//! Tensor data that lies in a file.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::element::{self, ElementType, Walk};
use super::map::FileMap;

/// Bytes that a tensor reads from; cloning shares them.
#[derive(Clone, Debug)]
pub(crate) enum Region {
    /// A part of a mapped file.
    Mapped { map: Arc<FileMap>, range: Range<usize> },
    /// An archive entry that had to be inflated.
    Inflated(Arc<Vec<u8>>),
}

impl Region {
    /// The bytes; empty when the range leaves the file, which constructors rule out.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped { map, range } => map.get(range.clone()).unwrap_or(&[]),
            Self::Inflated(bytes) => bytes,
        }
    }
}

/// A tensor's elements in a file.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) element: ElementType,
    /// All bytes of the tensor when `view` is none, else those of the storage that it looks into.
    pub(crate) region: Region,
    pub(crate) view: Option<View>,
}

/// A look into a storage that is not simply its elements in order.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// First element.
    pub(crate) offset: usize,
    /// Axis lengths, outermost first; the tensor may count fewer axes, each of several of these.
    pub(crate) axes: Vec<usize>,
    /// Elements from one index to the next, for each axis.
    pub(crate) strides: Vec<usize>,
}

impl Stored {
    fn walk(&self) -> Walk<'_> {
        match &self.view {
            None => Walk::Dense,
            Some(view) => Walk::Strided { offset: view.offset, shape: &view.axes, strides: &view.strides },
        }
    }

    /// Elements as f32, row-major; `None` when the element type is no float type.
    pub(super) fn floats(&self) -> Option<Cow<'_, [f32]>> {
        element::floats(self.element, self.region.bytes(), self.walk())
    }

    /// Writes the elements from `first` on into `out`, as f32; `None` for a view, elements that are no floats, and a
    /// stretch that leaves the tensor.
    pub(super) fn copy_floats(&self, first: usize, out: &mut [f32]) -> Option<()> {
        if self.view.is_some() {
            return None;
        }
        let size = self.element.size()?;
        let start = first.checked_mul(size)?;
        let end = start.checked_add(out.len().checked_mul(size)?)?;
        element::copy_floats(self.element, self.region.bytes().get(start..end)?, out)
    }

    /// Elements as i64, row-major; `None` when the element type is no integer type.
    pub(super) fn integers(&self) -> Option<Vec<i64>> {
        element::integers(self.element, self.region.bytes(), self.walk())
    }
}
