//! What follows a product in the same pass: bias, residual, layer norm, activation.

use super::block::Columns;
use super::function::gelu;
use super::normalise::Norm;

/// Columns of a tile.
pub(super) const LANES: usize = 64;

/// A function of each number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activation {
    /// x itself.
    #[default]
    None,
    /// max(x, 0).
    Relu,
    /// Exact GELU.
    Gelu,
}

/// What follows the product, in this order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finish<'a> {
    /// Added to every row, one number for each output; none when empty.
    pub bias: &'a [f32],
    /// Added to the product, of its size; none when empty.
    pub residual: &'a [f32],
    /// Layer norm over the outputs of a row.
    pub norm: Option<Norm<'a>>,
    /// Applied last.
    pub activation: Activation,
}

impl Finish<'_> {
    /// Whether everything has the length that `rows` rows of `outputs` numbers ask for.
    ///
    /// # Panics
    /// When not.
    pub(super) fn check(&self, rows: usize, outputs: usize) {
        assert!(self.bias.is_empty() || self.bias.len() == outputs, "the bias's length");
        assert!(
            self.residual.is_empty() || Some(self.residual.len()) == rows.checked_mul(outputs),
            "the residual's size"
        );
        assert!(self.norm.is_none_or(|norm| norm.width() == outputs), "the norm's width");
    }

    /// Finishes a tile: `y`, the products without bias, of the rows from `row` on and the columns from `column` on, goes to
    /// its place in `out`, whose rows have `columns`.
    #[inline(always)]
    pub(super) fn store(&self, y: &mut [[f32; LANES]], row: usize, column: usize, columns: Columns, out: &mut [f32]) {
        let width = LANES.min(columns.end - column);
        if let Some(bias) = self.bias.get(column..column + width) {
            let mut filled = [0.0; LANES];
            filled[..width].copy_from_slice(bias);
            for y in y.iter_mut() {
                (0..LANES).for_each(|n| y[n] += filled[n]);
            }
        }
        if !self.residual.is_empty() {
            for (i, y) in y.iter_mut().enumerate() {
                let at = (row + i) * columns.outputs + column;
                add(y, &self.residual[at..at + width]);
            }
        }
        if self.norm.is_none() {
            // All rows at once: one row alone is too short to keep the processor's pipelines full.
            activate(y.as_flattened_mut(), self.activation);
        }
        let place = column - columns.begin;
        for (y, out) in y.iter().zip(out.chunks_exact_mut(columns.width())) {
            match out.get_mut(place..).and_then(|out| out.first_chunk_mut::<LANES>()) {
                Some(out) => *out = *y,
                None => out[place..].copy_from_slice(&y[..width]),
            }
        }
    }

    /// What needs whole rows, once all their columns are stored.
    #[inline(always)]
    pub(super) fn rows(&self, out: &mut [f32]) {
        if let Some(norm) = self.norm {
            for row in out.chunks_exact_mut(norm.width()) {
                norm.row(row);
                activate(row, self.activation);
            }
        }
    }
}

#[inline(always)]
fn add(y: &mut [f32; LANES], values: &[f32]) {
    match <&[f32; LANES]>::try_from(values) {
        Ok(values) => (0..LANES).for_each(|n| y[n] += values[n]),
        Err(_) => y.iter_mut().zip(values).for_each(|(y, v)| *y += v),
    }
}

/// The activation of each of `y`.
#[inline(always)]
pub(super) fn activate(y: &mut [f32], activation: Activation) {
    match activation {
        Activation::None => {}
        // NaN stays NaN.
        Activation::Relu => y.iter_mut().for_each(|v| *v = if *v < 0.0 { 0.0 } else { *v }),
        Activation::Gelu => y.iter_mut().for_each(|v| *v = gelu(*v)),
    }
}
