//! Rows of `f32` times a packed matrix of `f32`: for layers that bytes would harm.

use std::fmt;
use std::sync::Arc;

use super::Isa;
use super::block::{Block, Product, rows_of_block};
use super::finish::Finish;
use super::float::{LANES, ROWS, Tile};
use super::isa::{Tiles, Work};
use super::product::Lines;
use super::rows::for_rows;

/// Most inputs that are multiplied before the next part: their weights stay in a core's second cache.
const PART: usize = 1024;
/// Most rows of a block, whose sums stay there as well.
const BLOCK: usize = 240;

/// A matrix of weights in the order in which tiles read it. It may lie in memory that something else owns, such as a
/// file's tensor.
#[derive(Clone)]
pub struct PackedMatrix {
    outputs: usize,
    segments: usize,
    segment: usize,
    /// [panels, segments, inputs of a segment, LANES].
    panels: Arc<dyn AsRef<[f32]> + Send + Sync>,
}

impl PackedMatrix {
    /// Weights in `panels` as [`pack`] orders them, for rows of `segments` segments of `segment` numbers. None when the
    /// numbers do not fit together.
    #[must_use]
    pub fn new(
        panels: Arc<dyn AsRef<[f32]> + Send + Sync>,
        outputs: usize,
        segments: usize,
        segment: usize,
    ) -> Option<Self> {
        let inputs = segments.checked_mul(segment).filter(|inputs| *inputs > 0 && outputs > 0)?;
        let length = outputs.checked_next_multiple_of(LANES)?.checked_mul(inputs)?;
        ((*panels).as_ref().len() == length).then_some(Self { outputs, segments, segment, panels })
    }

    /// Number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Inputs of a row.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.segments * self.segment
    }
}

impl fmt::Debug for PackedMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} outputs of {} inputs", self.outputs, self.inputs())
    }
}

/// Weights [outputs, inputs] in the order of panels: [panels, inputs, 64 outputs], the outputs filled up with zeros.
#[must_use]
pub fn pack(weights: &[f32], outputs: usize) -> Vec<f32> {
    let inputs = weights.len() / outputs.max(1);
    let mut panels = vec![0.0; outputs.next_multiple_of(LANES) * inputs];
    for (n, row) in weights.chunks_exact(inputs.max(1)).enumerate() {
        for (k, weight) in row.iter().enumerate() {
            panels[(n / LANES * inputs + k) * LANES + n % LANES] = *weight;
        }
    }
    panels
}

/// `out[r][n]` = finish(sum over k of row r's k-th number times weight k of output n); `lines` counts in numbers, not bytes.
///
/// # Panics
/// When the sizes do not fit.
pub fn product(x: &[f32], lines: Lines, matrix: &PackedMatrix, finish: Finish<'_>, out: &mut [f32], isa: Isa) {
    let block = rows_of_block(lines.count(), BLOCK, ROWS);
    Product { x, lines, weights: matrix, finish }.run(block, matrix.outputs, out, isa);
}

impl Work for Block<'_, '_, &[f32], &PackedMatrix> {
    type Output = ();

    #[inline(always)]
    fn run<T: Tiles>(self) {
        let Self { product: Product { x, lines, weights: matrix, finish }, first, columns, out } = self;
        let PackedMatrix { segments, segment, .. } = *matrix;
        let width = columns.width();
        let rows = out.len() / width;
        let begins = lines.begins(first, rows);
        let mut sums = vec![0.0; rows.next_multiple_of(ROWS) * LANES];
        let panels = (*matrix.panels).as_ref().chunks_exact(segments * segment * LANES);
        for (p, panel) in panels.enumerate().skip(columns.begin / LANES).take(width.div_ceil(LANES)) {
            for s in 0..segments {
                for from in (0..segment).step_by(PART) {
                    let length = PART.min(segment - from);
                    let weights = &panel[(s * segment + from) * LANES..][..length * LANES];
                    let at = s * lines.segment + from;
                    for tile in (0..rows).step_by(ROWS) {
                        let numbers = &mut sums[tile * LANES..(tile + ROWS) * LANES];
                        let to = Tile { numbers, stride: LANES, adds: s + from > 0 };
                        for_rows!(
                            rows - tile,
                            i => &x[begins[tile + i] + at..][..length],
                            rows => T::product(rows, weights, LANES, to)
                        );
                    }
                }
            }
            let tiles = sums.as_chunks_mut::<LANES>().0[..rows].chunks_mut(ROWS);
            for (i, (y, out)) in tiles.zip(out.chunks_mut(ROWS * width)).enumerate() {
                finish.store(y, first + i * ROWS, p * LANES, columns, out);
            }
        }
        finish.rows(out);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::Activation;
    use super::super::normalise::Norm;
    use super::*;

    #[test]
    fn a_product_of_overlapping_rows_is_that_of_f64() {
        let mut draw = fastrand::Rng::with_seed(9);
        for (rows, step, inputs, outputs) in [(1, 1, 1, 1), (40, 5, 10, 70), (7, 3, 3, 64), (5, 9, 2500, 3)] {
            let mut numbers = |count: usize| -> Vec<f32> { (0..count).map(|_| draw.f32() - 0.5).collect() };
            let (x, weights) = (numbers(rows * step + inputs), numbers(outputs * inputs));
            let (bias, gain, shift) = (numbers(outputs), numbers(outputs), numbers(outputs));
            let panels: Arc<Vec<f32>> = Arc::new(pack(&weights, outputs));
            let matrix = PackedMatrix::new(panels, outputs, 1, inputs).unwrap();
            let norm = Norm::new(&gain, &shift, 1e-5);
            for isa in Isa::usable() {
                let finish = Finish { bias: &bias, norm, activation: Activation::Relu, ..Finish::default() };
                let mut found = vec![0.0; rows * outputs];
                product(&x, Lines::matrix(rows, step), &matrix, finish, &mut found, isa);
                for (r, found) in found.chunks(outputs).enumerate() {
                    let sum = |n: usize| {
                        let term = |k: usize| f64::from(x[r * step + k]) * f64::from(weights[n * inputs + k]);
                        ((0..inputs).map(term).sum::<f64>() + f64::from(bias[n])) as f32
                    };
                    let mut expected: Vec<f32> = (0..outputs).map(sum).collect();
                    norm.unwrap().run(&mut expected, isa);
                    for (f, e) in found.iter().zip(&expected) {
                        assert!((f - e.max(0.0)).abs() < 1e-4, "{isa}: {f} against {e}");
                    }
                }
            }
        }
    }

    /// Windows of three segments, against the same windows laid out one after the other.
    #[test]
    fn segments_are_read_where_they_lie() {
        let mut draw = fastrand::Rng::with_seed(10);
        let mut numbers = |count: usize| -> Vec<f32> { (0..count).map(|_| draw.f32() - 0.5).collect() };
        let (line, channels, outputs) = (9 * 5, 5, 70);
        let (x, weights) = (numbers(5 * line), numbers(outputs * 9 * channels));
        let lines = Lines { lines: 3, rows: 7, step: channels, stride: line, segment: line };
        let laid: Vec<f32> = (0..21)
            .flat_map(|r| (0..3).map(move |s| r / 7 * line + r % 7 * channels + s * line))
            .flat_map(|at| x[at..at + 3 * channels].to_vec())
            .collect();
        let panels: Arc<Vec<f32>> = Arc::new(pack(&weights, outputs));
        let [whole, parts] = [(1, 9 * channels), (3, 3 * channels)]
            .map(|(segments, segment)| PackedMatrix::new(panels.clone(), outputs, segments, segment).unwrap());
        for isa in Isa::usable() {
            let (mut expected, mut found) = (vec![0.0; 21 * outputs], vec![0.0; 21 * outputs]);
            product(&laid, Lines::matrix(21, 9 * channels), &whole, Finish::default(), &mut expected, isa);
            product(&x, lines, &parts, Finish::default(), &mut found, isa);
            assert_eq!(found, expected, "{isa}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        let new = |count: usize, outputs, segments, segment| {
            let panels: Arc<Vec<f32>> = Arc::new(vec![1.0; count]);
            PackedMatrix::new(panels, outputs, segments, segment).is_some()
        };
        assert!(new(64 * 6, 2, 2, 3));
        assert!(!new(64 * 6 - 1, 2, 2, 3) && !new(64 * 6, 65, 2, 3) && !new(0, 0, 1, 1) && !new(0, 1, 0, 1));
    }
}
