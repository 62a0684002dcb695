//! A dense row-major array of f32.

use crate::{ModelError, Result};

/// A dense f32 array, row-major, with its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Tensor {
    /// An array of `shape` holding `data` in row-major order.
    ///
    /// # Errors
    /// [`ModelError::Contract`] when the number of elements is not the product of the shape.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Result<Self> {
        let shape = shape.into();
        let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if elements != Some(data.len()) {
            return Err(ModelError::Contract {
                model: "tensor".into(),
                tensor: "data".into(),
                expected: format!("{shape:?} elements"),
                found: format!("{} elements", data.len()),
            });
        }
        Ok(Self { shape, data })
    }

    /// An array of `shape` holding zeros.
    pub fn zeros(shape: impl Into<Vec<usize>>) -> Self {
        let shape = shape.into();
        let data = vec![0.0; shape.iter().product()];
        Self { shape, data }
    }

    /// Axis lengths, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Elements in row-major order.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Elements in row-major order, moved out.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// Length of the last axis (1 for a scalar).
    pub fn width(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Number of rows: the product of all axes but the last.
    pub fn rows(&self) -> usize {
        self.shape.split_last().map_or(1, |(_, rest)| rest.iter().product())
    }

    /// Row `i` of the array seen as [rows, width]; `None` past the end.
    pub fn row(&self, i: usize) -> Option<&[f32]> {
        let w = self.width();
        self.data.get(i.checked_mul(w)?..i.checked_add(1)?.checked_mul(w)?)
    }

    /// The same elements under another shape.
    ///
    /// # Errors
    /// [`ModelError::Contract`] when the element counts differ.
    pub fn reshaped(self, shape: impl Into<Vec<usize>>) -> Result<Self> {
        Self::new(shape, self.data)
    }

    /// Index and value of the first element that is NaN or infinite.
    pub fn first_not_finite(&self) -> Option<(usize, f32)> {
        first_not_finite(&self.data)
    }
}

/// Index and value of the first element that is NaN or infinite.
pub(super) fn first_not_finite(values: &[f32]) -> Option<(usize, f32)> {
    // Weights are finite: whole blocks are tested without a branch per element.
    const BLOCK: usize = 4096;
    let block = values.chunks(BLOCK).position(|c| c.iter().fold(false, |bad, v| bad | !v.is_finite()))?;
    let start = block * BLOCK;
    values.iter().copied().enumerate().skip(start).find(|(_, v)| !v.is_finite())
}
