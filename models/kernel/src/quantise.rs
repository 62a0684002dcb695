//! Activations as bytes: x = scale * (byte - zero), with a scale for each row or one for all.

use std::cell::RefCell;

use super::Isa;
use super::function::ROUNDING;
use super::image::{Image, product};
use super::isa::{Tiles, Work};
use super::threads::{for_blocks, threads};

/// Largest byte.
const LARGEST: f32 = 255.0;
/// Numbers from which on several threads convert them; an estimate of what is done before another thread has woken.
const WORTH_THREADS: usize = 1 << 17;
/// Numbers that are looked at side by side.
const LANES: usize = 64;

/// What a byte means: scale * (byte - zero). Zero is always met exactly, so what surrounds a picture is `zero` throughout.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowScale {
    /// Step between two bytes; NaN where the row held NaN or infinity, which then shows in every product of it.
    pub scale: f32,
    /// The byte that means 0.
    pub zero: i32,
}

thread_local! {
    /// Bytes that a thread is done with, so that no product asks for new memory.
    static SPARE: RefCell<Vec<u8>> = RefCell::default();
}

/// Gives back what this thread keeps.
pub(crate) fn forget_spare() {
    drop(SPARE.take());
}

/// Rows of bytes and what they mean.
#[derive(Debug, Default)]
pub struct Quantised {
    /// The bytes, row after row.
    pub bytes: Vec<u8>,
    /// One entry for each row, or one for all.
    pub scales: Vec<RowScale>,
}

/// Rows of bytes and what they mean, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) scales: &'a [RowScale],
}

impl<'a> From<&'a Quantised> for Rows<'a> {
    fn from(quantised: &'a Quantised) -> Self {
        Self { bytes: &quantised.bytes, scales: &quantised.scales }
    }
}

impl Drop for Quantised {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        SPARE.with_borrow_mut(|spare| {
            if bytes.capacity() > spare.capacity() {
                *spare = bytes;
            }
        });
    }
}

/// `count` bytes of any value.
fn some_bytes(count: usize) -> Vec<u8> {
    let mut bytes = SPARE.take();
    bytes.truncate(count);
    bytes.resize(count, 0);
    bytes
}

impl Quantised {
    /// Each row of `width` numbers of `x` with a scale of its own, rows filled up to `padded` bytes of any value.
    ///
    /// # Panics
    /// When no memory can hold the rows.
    #[must_use]
    pub fn by_row(x: &[f32], width: usize, padded: usize, isa: Isa) -> Self {
        let (width, padded) = (width.max(1), padded.max(width).max(1));
        assert!((x.len() / width).checked_mul(padded).is_some(), "rows longer than memory holds");
        isa.run(ByRow { x, width, padded })
    }

    /// Group `g` of those that [`Quantised::by_group`] made.
    ///
    /// # Panics
    /// When there is no such group.
    #[must_use]
    pub fn group(&self, g: usize) -> Rows<'_> {
        let size = self.bytes.len() / self.scales.len().max(1);
        Rows { bytes: &self.bytes[g * size..][..size], scales: &self.scales[g..=g] }
    }

    /// The picture `x` as `groups` pictures of bytes one after the other, each with its share of the channels, filled up
    /// to a multiple of 4, and with a scale of its own.
    ///
    /// # Panics
    /// When `x` is not of the picture's size, or the groups do not divide the channels.
    #[must_use]
    pub fn by_group(x: &[f32], image: Image, groups: usize, isa: Isa) -> Self {
        let Image { height, width, channels, .. } = image;
        assert_eq!(Some(x.len()), product([height, width, channels]), "the picture's size");
        assert!(groups > 0 && channels.is_multiple_of(groups), "groups of equal size");
        let each = channels / groups;
        // The longest of the lengths below, so that none of them wraps around.
        let whole = product([groups, image.lines(), image.points(), each.next_multiple_of(4)]);
        assert!(whole.is_some(), "more around the picture than memory holds");
        let workers = if x.len() < WORTH_THREADS { 1 } else { threads() };
        let points = (height * width).div_ceil(workers).max(1);
        let blocks = (height * width).div_ceil(points);
        let mut ranges = vec![Range::default(); blocks * groups];
        for_blocks(&mut ranges, groups, |i, ranges| {
            let block = &x[i * points * channels..x.len().min((i + 1) * points * channels)];
            isa.run(Ranges { block, channels, each, ranges });
        });
        let scales: Vec<_> = (0..groups)
            .map(|g| ranges.iter().skip(g).step_by(groups).copied().fold(Range::default(), Range::and).scale())
            .collect();
        let (padded, line) = (each.next_multiple_of(4), image.points());
        let per_group = image.lines() * line;
        let mut bytes = some_bytes(groups * per_group * padded);
        let block = (groups * per_group).div_ceil(workers).max(1);
        for_blocks(&mut bytes, block * padded, |i, bytes| {
            isa.run(Points { x, image, each, padded, first: i * block, scales: &scales, bytes });
        });
        Self { bytes, scales: scales.into_iter().map(|(scale, _)| scale).collect() }
    }
}

/// Smallest and largest of 0 and `x`, and a 0 that is NaN where `x` holds NaN or infinity.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Range {
    low: f32,
    high: f32,
    fault: f32,
}

impl Range {
    #[inline(always)]
    fn of(x: &[f32]) -> Self {
        let (mut low, mut high, mut fault) = ([0f32; LANES], [0f32; LANES], [0f32; LANES]);
        let (chunks, rest) = x.as_chunks::<LANES>();
        for chunk in chunks {
            for i in 0..LANES {
                low[i] = if chunk[i] < low[i] { chunk[i] } else { low[i] };
            }
            for i in 0..LANES {
                high[i] = if chunk[i] > high[i] { chunk[i] } else { high[i] };
            }
            for i in 0..LANES {
                fault[i] += chunk[i] * 0.0;
            }
        }
        // Loops, not iterators' folds: those are compiled apart, without the instruction set.
        let mut range = Self::default();
        for i in 0..LANES {
            range = range.and(Self { low: low[i], high: high[i], fault: fault[i] });
        }
        for v in rest {
            range = range.and(Self { low: v.min(0.0), high: v.max(0.0), fault: v * 0.0 });
        }
        range
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high), fault: self.fault + other.fault }
    }

    /// How bytes show this range, and what a number is multiplied with on the way.
    #[inline(always)]
    fn scale(self) -> (RowScale, f32) {
        let range = self.high - self.low;
        // A range that f32 cannot hold, or whose step it cannot, is a fault as well.
        let (scale, inverse) = (range / LARGEST + self.fault, LARGEST / range);
        if range == 0.0 {
            return (RowScale { scale: self.fault, zero: 0 }, 0.0);
        }
        if !(scale.is_normal() && inverse.is_normal()) {
            let tiny = scale.is_finite() && self.fault == 0.0 && range < 1.0;
            return (RowScale { scale: if tiny { 0.0 } else { f32::NAN }, zero: 0 }, 0.0);
        }
        (RowScale { scale, zero: (-self.low * inverse).round_ties_even() as i32 }, inverse)
    }
}

/// The byte for each of `x`.
#[inline(always)]
fn to_bytes(x: &[f32], scale: RowScale, inverse: f32, out: &mut [u8]) {
    let zero = scale.zero as f32;
    for (byte, v) in out.iter_mut().zip(x) {
        let y = v * inverse + zero;
        // NaN becomes 0 here and shows in the scale.
        let y = if y > 0.0 { y } else { 0.0 };
        let y = if y < LARGEST { y } else { LARGEST };
        *byte = (y + ROUNDING).to_bits() as u8;
    }
}

struct ByRow<'a> {
    x: &'a [f32],
    width: usize,
    padded: usize,
}

impl Work for ByRow<'_> {
    type Output = Quantised;

    #[inline(always)]
    fn run<T: Tiles>(self) -> Quantised {
        let Self { x, width, padded } = self;
        let rows = x.len() / width;
        let mut quantised = Quantised { bytes: some_bytes(rows * padded), scales: Vec::with_capacity(rows) };
        for (row, bytes) in x.chunks_exact(width).zip(quantised.bytes.chunks_exact_mut(padded)) {
            let (scale, inverse) = Range::of(row).scale();
            to_bytes(row, scale, inverse, bytes);
            quantised.scales.push(scale);
        }
        quantised
    }
}

/// Ranges of some points, for each group of channels.
struct Ranges<'a, 'r> {
    block: &'a [f32],
    channels: usize,
    each: usize,
    ranges: &'r mut [Range],
}

impl Work for Ranges<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<T: Tiles>(self) {
        let Self { block, channels, each, ranges } = self;
        if let [range] = ranges {
            *range = Range::of(block);
            return;
        }
        for point in block.chunks_exact(channels) {
            for (range, part) in ranges.iter_mut().zip(point.chunks_exact(each)) {
                *range = range.and(Range::of(part));
            }
        }
    }
}

/// Bytes of some points, those around a picture included.
struct Points<'a, 'b> {
    x: &'a [f32],
    image: Image,
    each: usize,
    padded: usize,
    first: usize,
    scales: &'a [(RowScale, f32)],
    bytes: &'b mut [u8],
}

impl Work for Points<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<T: Tiles>(self) {
        let Self { x, image, each, padded, first, scales, bytes } = self;
        let Image { height, width, channels, around: [above, _, left, _] } = image;
        let (line, lines) = (image.points(), image.lines());
        for (i, bytes) in bytes.chunks_exact_mut(padded).enumerate() {
            let point = first + i;
            let (group, row, column) = (point / (line * lines), point / line % lines, point % line);
            let (scale, inverse) = scales[group];
            let inside = (above..above + height).contains(&row) && (left..left + width).contains(&column);
            if inside {
                let at = ((row - above) * width + column - left) * channels + group * each;
                to_bytes(&x[at..at + each], scale, inverse, bytes);
            } else {
                bytes.fill(scale.zero as u8);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(q: &Quantised, row: usize, width: usize) -> Vec<f32> {
        let RowScale { scale, zero } = q.scales[row];
        q.bytes[row * width..][..width].iter().map(|b| scale * (i32::from(*b) - zero) as f32).collect()
    }

    #[test]
    fn a_number_comes_back_within_half_a_step() {
        let mut draw = fastrand::Rng::with_seed(1);
        for isa in Isa::usable() {
            for (low, high) in [(-1.0, 1.0), (-0.17, 6.0), (0.0, 3.0), (-5.0, 0.0), (-1e-20, 3e-20), (-3e30, 1e30)] {
                let width = 77;
                let x: Vec<f32> = (0..5 * width).map(|_| low + (high - low) * draw.f32()).collect();
                let q = Quantised::by_row(&x, width, width, isa);
                for (r, row) in x.chunks(width).enumerate() {
                    let step = q.scales[r].scale;
                    assert!(step > 0.0 && step <= (high - low) / 254.0, "{isa}: {step} for {low}..{high}");
                    for (found, v) in back(&q, r, width).iter().zip(row) {
                        assert!((found - v).abs() <= 0.5001 * step, "{isa}: {found} for {v}, step {step}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_picture_lies_within_zeros_and_its_groups_have_scales_of_their_own() {
        let image = Image { height: 3, width: 5, channels: 6, around: [1, 2, 3, 0] };
        let mut draw = fastrand::Rng::with_seed(3);
        // The second group's numbers are a thousand times those of the first.
        let size = |i: usize| if i % 6 < 3 { 1.0 } else { 1000.0 };
        let x: Vec<f32> = (0..3 * 5 * 6).map(|i| (draw.f32() - 0.3) * size(i)).collect();
        for isa in Isa::usable() {
            let q = Quantised::by_group(&x, image, 2, isa);
            assert_eq!((q.bytes.len(), q.scales.len()), (2 * 6 * 8 * 4, 2));
            assert!(q.scales[1].scale > 500.0 * q.scales[0].scale);
            for (at, byte) in q.bytes.iter().enumerate().filter(|(at, _)| at % 4 < 3) {
                let (group, row, column) = (at / (6 * 8 * 4), at / (8 * 4) % 6, at / 4 % 8);
                let RowScale { scale, zero } = q.scales[group];
                let found = scale * (i32::from(*byte) - zero) as f32;
                let inside = (1..4).contains(&row) && (3..8).contains(&column);
                let expected = if inside { x[((row - 1) * 5 + column - 3) * 6 + group * 3 + at % 4] } else { 0.0 };
                let most = if inside { 0.5001 * scale } else { 0.0 };
                assert!((found - expected).abs() <= most, "{isa}: {found} for {expected} at {row}, {column}");
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bytes() {
        let mut draw = fastrand::Rng::with_seed(2);
        let x: Vec<f32> = (0..3 * 1000).map(|_| draw.f32() * 9.0 - 2.0).collect();
        let expected = Quantised::by_row(&x, 1000, 1000, Isa::usable()[0]);
        for isa in Isa::usable() {
            let found = Quantised::by_row(&x, 1000, 1000, isa);
            assert_eq!((&found.bytes, &found.scales), (&expected.bytes, &expected.scales), "{isa}");
        }
    }

    #[test]
    fn zero_is_exact_and_nothing_is_nothing() {
        let q = Quantised::by_row(&[0.0, -0.3, 0.9, 0.0, 0.0, 0.0], 3, 4, Isa::best());
        assert_eq!(back(&q, 0, 4)[0], 0.0);
        assert_eq!(back(&q, 1, 4)[..3], [0.0, 0.0, 0.0]);
        assert_eq!(Quantised::by_row(&[1e-45, 0.0], 2, 2, Isa::best()).scales[0].scale, 0.0, "too small for f32");
    }

    #[test]
    fn what_is_no_number_shows_in_the_scale_of_its_row_alone() {
        for isa in Isa::usable() {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for place in [0, 20, 32] {
                    let mut x = vec![1.0; 2 * 33];
                    x[place] = bad;
                    let q = Quantised::by_row(&x, 33, 36, isa);
                    assert!(q.scales[0].scale.is_nan() && q.scales[1].scale > 0.0, "{isa}: {bad} at {place}");
                }
            }
            let q = Quantised::by_row(&[3e38, -3e38], 2, 2, isa);
            assert!(q.scales[0].scale.is_nan(), "a range beyond f32");
        }
    }
}
