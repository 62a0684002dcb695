//! How stored pictures are turned and mirrored to be upright.

/// One of the eight ways in which a picture of rows and columns can lie.
///
/// The upright picture is the stored one, mirrored left to right where `mirrored`, and then turned clockwise by `quarters` quarter
/// turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orientation {
    pub(super) mirrored: bool,
    pub(super) quarters: u8,
}

/// The linear part of a matrix in a track's or the movie's header: a, b, c, d, so that the pixel x, y goes to
/// a x + c y, b x + d y (ISO/IEC 14496-12 section 6.2.2; y counts downwards). As 16.16, wide enough for products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Matrix(pub(super) [i64; 4]);

const ONE: i64 = 1 << 16;

impl Matrix {
    pub(super) const IDENTITY: Self = Self([ONE, 0, 0, ONE]);

    /// The matrix whose nine numbers are given; one of zeros, as browsers write it, is none.
    pub(super) fn from_numbers(numbers: [i32; 9]) -> Self {
        let [a, b, _, c, d, ..] = numbers.map(i64::from);
        if (a, b, c, d) == (0, 0, 0, 0) { Self::IDENTITY } else { Self([a, b, c, d]) }
    }

    /// First this matrix, then `next`.
    pub(super) fn then(self, next: Self) -> Self {
        let [a, b, c, d] = self.0.map(i128::from);
        let [e, f, g, h] = next.0.map(i128::from);
        let fixed = |value: i128| i64::try_from(value / i128::from(ONE)).unwrap_or(0);
        Self([fixed(a * e + b * g), fixed(a * f + b * h), fixed(c * e + d * g), fixed(c * f + d * h)])
    }
}

impl Orientation {
    /// The way that `matrix` tells, and whether it tells just that: the nearest one where it scales or skews too.
    pub(super) fn from_matrix(matrix: Matrix) -> (Self, bool) {
        let [a, b, c, d] = matrix.0;
        let sign = |value: i64| if value < 0 { -1 } else { 1 };
        // Rows stay rows, or become columns: whichever the larger numbers say.
        let straight = a.saturating_abs().saturating_add(d.saturating_abs());
        let crossed = b.saturating_abs().saturating_add(c.saturating_abs());
        let (orientation, exact) = if straight >= crossed {
            let (x, y) = (sign(a), sign(d));
            (Self { mirrored: x != y, quarters: if y > 0 { 0 } else { 2 } }, [x * ONE, 0, 0, y * ONE])
        } else {
            // Right goes down (b > 0) or up, down goes left (c < 0) or right.
            let (right, down) = (sign(b), sign(c));
            let quarters = if down < 0 { 1 } else { 3 };
            (Self { mirrored: right == down, quarters }, [0, right * ONE, down * ONE, 0])
        };
        // Some programs round what they compute from an angle.
        let near = |(found, expected): (i64, i64)| found.abs_diff(expected) <= 64;
        (orientation, matrix.0.into_iter().zip(exact).all(near))
    }

    /// Whether rows become columns.
    pub(crate) fn swaps_sides(self) -> bool {
        self.quarters % 2 == 1
    }

    /// Where the first pixel of row `row` of a stored picture of `width` x `height` goes in the upright one, counted in pixels from
    /// its first, and how far the next pixel of that row is from it.
    pub(super) fn row(self, row: usize, width: usize, height: usize) -> (isize, isize) {
        let (r, w, h) = (row as isize, width as isize, height as isize);
        let (start, step) = match self.quarters % 4 {
            0 => (r * w, 1),
            1 => (h - 1 - r, h),
            2 => ((h - 1 - r) * w + w - 1, -1),
            _ => ((w - 1) * h + r, -h),
        };
        // Mirrored first: the row runs the other way.
        if self.mirrored { (start + step * (w - 1), -step) } else { (start, step) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Matrix, ONE, Orientation};

    /// Moves the pixels of a picture of 3 x 2 as a matrix says, by its definition, and by the way that is told from it.
    #[test]
    fn each_of_the_eight_moves_pixels_as_its_matrix_does() {
        let (width, height) = (3_usize, 2_usize);
        for matrix in [
            [1, 0, 0, 1],
            [-1, 0, 0, 1],
            [1, 0, 0, -1],
            [-1, 0, 0, -1],
            [0, 1, 1, 0],
            [0, 1, -1, 0],
            [0, -1, 1, 0],
            [0, -1, -1, 0],
        ] {
            let [a, b, c, d] = matrix.map(|v: i64| v as isize);
            let moved = |x: usize, y: usize| {
                let (x, y) = (x as isize, y as isize);
                (a * x + c * y, b * x + d * y)
            };
            let corners = [moved(0, 0), moved(width - 1, height - 1)];
            let left = corners.iter().map(|p| p.0).min().unwrap();
            let top = corners.iter().map(|p| p.1).min().unwrap();
            let wide = corners.iter().map(|p| p.0).max().unwrap() - left + 1;
            let (orientation, exact) = Orientation::from_matrix(Matrix(matrix.map(|v| v * ONE)));
            assert!(exact, "{matrix:?}");
            assert_eq!(orientation.swaps_sides(), wide == height as isize, "{matrix:?}");
            for y in 0..height {
                let (start, step) = orientation.row(y, width, height);
                for x in 0..width {
                    let (u, v) = moved(x, y);
                    assert_eq!(start + step * x as isize, (v - top) * wide + u - left, "{matrix:?} at {x}, {y}");
                }
            }
        }
    }

    #[test]
    fn matrices_are_joined_in_their_order() {
        let quarter = Matrix([0, ONE, -ONE, 0]);
        assert_eq!(quarter.then(quarter), Matrix([-ONE, 0, 0, -ONE]));
        let mirror = Matrix([-ONE, 0, 0, ONE]);
        // Mirrored, then turned: right goes up.
        assert_eq!(mirror.then(quarter), Matrix([0, -ONE, -ONE, 0]));
        assert_eq!(quarter.then(mirror), Matrix([0, ONE, ONE, 0]));
        assert_eq!(Matrix::from_numbers([0; 9]), Matrix::IDENTITY);
    }

    #[test]
    fn scaled_and_skewed_ones_are_taken_for_the_nearest_and_told() {
        assert_eq!(Orientation::from_matrix(Matrix([ONE / 2, 0, 0, ONE / 2])), (Orientation::default(), false));
        let (turned, exact) = Orientation::from_matrix(Matrix([900, 2 * ONE, -ONE, 300]));
        assert_eq!((turned, exact), (Orientation { mirrored: false, quarters: 1 }, false));
        assert!(Orientation::from_matrix(Matrix([3, ONE - 1, -ONE, 0])).1);
        assert!(!Orientation::from_matrix(Matrix([i64::MIN, i64::MAX, i64::MIN, 0])).1);
    }
}
