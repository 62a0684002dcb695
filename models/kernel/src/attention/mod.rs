//! Self-attention with gated relative position bias, all heads in one pass (WavLM; spec section 2.1).

mod floats;
mod halves;

use std::cell::RefCell;

use super::Isa;
use super::float::{LANES, ROWS, Tile};
use super::function::exp_of_negative;
use super::half::HalfTile;
use super::isa::{Tiles, Work};
use super::threads::{for_blocks, threads};
use floats::FloatPanels;
use halves::HalfPanels;

/// Numbers that are worked on side by side.
const WIDE: usize = 16;

/// Sizes and constants of an attention.
#[derive(Clone, Debug, PartialEq)]
pub struct GatedAttention {
    /// Number of heads H.
    pub heads: usize,
    /// Width W of a head.
    pub width: usize,
    /// Bias [H, 2 R + 1] by distance key - query from -R to R; farther ones have the bias of the ends.
    pub table: Vec<f32>,
    /// [2, W]: maps a head's slice of the stream to two numbers.
    pub gate_weight: Vec<f32>,
    /// `[2]`.
    pub gate_bias: [f32; 2],
    /// `[H]`.
    pub gate_constant: Vec<f32>,
    /// Whether queries, keys, values and weights may be rounded to the upper half of an `f32` (bfloat16), where the
    /// processor multiplies those faster.
    pub halves: bool,
}

impl GatedAttention {
    /// Whether the numbers fit together.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let Self { heads, width, table, gate_weight, gate_constant, .. } = self;
        *heads > 0
            && *width > 0
            && table.len().is_multiple_of(*heads)
            && !(table.len() / heads).is_multiple_of(2)
            && heads.checked_mul(*width).is_some()
            && width.checked_mul(2) == Some(gate_weight.len())
            && gate_constant.len() == *heads
    }

    /// Numbers in a row of the output.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.heads * self.width
    }

    /// The context [T, H W]: for each head softmax(q k^T + g b) v, where b is the bias by distance and
    /// g = sigmoid(u) (sigmoid(w) c - 1) + 2 with (u, w) from the query's slice of `stream`.
    ///
    /// `projected` [T, 3 H W]: queries, already divided by the root of W, keys, values. `stream` [T, H W]: what they were
    /// projected from.
    ///
    /// # Panics
    /// When the sizes do not fit.
    pub fn run(&self, projected: &[f32], stream: &[f32], out: &mut [f32], isa: Isa) {
        let hidden = self.hidden();
        let frames = stream.len() / hidden.max(1);
        assert!(self.is_sound() && stream.len() == frames * hidden, "the stream's size");
        assert_eq!((projected.len(), out.len()), (3 * stream.len(), stream.len()), "the projections' size");
        if frames == 0 {
            return;
        }
        // Heads are apart while they are worked on, so that threads write to places of their own.
        let mut contexts = vec![0.0; out.len()];
        for_blocks(&mut contexts, frames * self.width, |head, out| {
            isa.run(Head { attention: self, projected, stream, frames, head, out });
        });
        let block = frames.div_ceil(threads());
        for_blocks(out, block * hidden, |i, out| {
            for (t, row) in out.chunks_exact_mut(hidden).enumerate() {
                let at = (i * block + t) * self.width;
                for (row, context) in row.chunks_exact_mut(self.width).zip(contexts.chunks_exact(frames * self.width)) {
                    row.copy_from_slice(&context[at..at + self.width]);
                }
            }
        });
    }
}

/// A head's parts of the projections.
#[derive(Clone, Copy)]
struct Slices<'a> {
    /// [T, 3 H W].
    projected: &'a [f32],
    frames: usize,
    hidden: usize,
    width: usize,
    head: usize,
}

impl<'a> Slices<'a> {
    /// Part `part` of frame `t`: query, key, value.
    #[inline(always)]
    fn part(&self, t: usize, part: usize) -> &'a [f32] {
        &self.projected[(3 * t + part) * self.hidden + self.head * self.width..][..self.width]
    }
}

/// Queries, keys and values of a head as tiles read them, filled up with zeros.
trait Panels: Default {
    /// Lays a head's out.
    fn fill<T: Tiles>(&mut self, slices: Slices<'_>);

    /// `out` = `count` queries from `begin` on times the keys of panel `column`.
    fn scores<T: Tiles>(&self, slices: Slices<'_>, begin: usize, count: usize, column: usize, out: Tile<'_>);

    /// Takes the weights of `count` queries, rows of `columns` of which `frames` count.
    fn take<T: Tiles>(&mut self, weights: &[f32], count: usize, columns: usize);

    /// `out` = the weights times the values of panel `part`; `weights` are those that were taken.
    fn contexts<T: Tiles>(&self, weights: &[f32], count: usize, columns: usize, part: usize, out: Tile<'_>);
}

/// What a head needs while it is worked on. Kept by each thread, so that no layer asks for new memory.
#[derive(Default)]
struct Scratch {
    floats: FloatPanels,
    halves: HalfPanels,
    /// [2 T - 1] by distance + T - 1, and a tile of zeros.
    bias: Vec<f32>,
    /// [queries of a tile, T in whole tiles].
    scores: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Gives back what this thread keeps.
pub(crate) fn forget_scratch() {
    drop(SCRATCH.take());
}

/// `count` zeros, in the memory that is there.
#[inline(always)]
fn reset<N: Copy + Default>(numbers: &mut Vec<N>, count: usize) {
    numbers.clear();
    numbers.resize(count, N::default());
}

/// The bias of a head by distance + T - 1, and a tile of zeros.
#[inline(always)]
fn spread(bias: &mut Vec<f32>, table: &[f32], frames: usize) {
    let (reach, last) = ((table.len() / 2) as isize, frames as isize - 1);
    bias.clear();
    bias.extend((-last..=last).map(|d| table[(d.clamp(-reach, reach) + reach) as usize]));
    bias.resize(2 * frames - 1 + LANES, 0.0);
}

/// One head.
struct Head<'a, 'o> {
    attention: &'a GatedAttention,
    projected: &'a [f32],
    stream: &'a [f32],
    frames: usize,
    head: usize,
    /// [T, W].
    out: &'o mut [f32],
}

impl Work for Head<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<T: Tiles>(self) {
        // Taken out, not lent to a closure, which would be compiled without the instruction set.
        let mut scratch = SCRATCH.take();
        let Scratch { floats, halves, bias, scores } = &mut scratch;
        if self.attention.halves && <T as HalfTile>::FAST {
            self.context::<T, _>(halves, bias, scores);
        } else {
            self.context::<T, _>(floats, bias, scores);
        }
        SCRATCH.set(scratch);
    }
}

impl Head<'_, '_> {
    #[inline(always)]
    fn context<T: Tiles, P: Panels>(self, panels: &mut P, bias: &mut Vec<f32>, scores: &mut Vec<f32>) {
        let Self { attention, projected, stream, frames, head, out } = self;
        let (width, hidden) = (attention.width, attention.hidden());
        let distances = attention.table.len() / attention.heads;
        spread(bias, &attention.table[head * distances..][..distances], frames);
        let columns = frames.next_multiple_of(LANES);
        reset(scores, ROWS * columns);
        let slices = Slices { projected, frames, hidden, width, head };
        panels.fill::<T>(slices);
        let mut tile = [0.0; LANES * ROWS];
        for (i, out) in out.chunks_mut(ROWS * width).enumerate() {
            let begin = i * ROWS;
            let count = out.len() / width;
            for column in 0..columns / LANES {
                let to = Tile { numbers: &mut scores[column * LANES..], stride: columns, adds: false };
                panels.scores::<T>(slices, begin, count, column, to);
            }
            let mut sums = [0.0; ROWS];
            for (r, scores) in scores.chunks_exact_mut(columns).take(count).enumerate() {
                let at = begin + r;
                let gate = gate(attention, head, &stream[at * hidden + head * width..][..width]);
                sums[r] = weigh(scores, frames, gate, &bias[frames - 1 - at..][..columns]);
            }
            panels.take::<T>(scores, count, columns);
            for part in 0..width.div_ceil(LANES) {
                let to = Tile { numbers: &mut tile, stride: LANES, adds: false };
                panels.contexts::<T>(scores, count, columns, part, to);
                let kept = LANES.min(width - part * LANES);
                let tiles = tile.as_chunks::<LANES>().0.iter().zip(&sums);
                for ((tile, sum), out) in tiles.zip(out.chunks_exact_mut(width)) {
                    let out = &mut out[part * LANES..][..kept];
                    out.iter_mut().zip(tile).for_each(|(out, v)| *out = v / sum);
                }
            }
        }
    }
}

/// How much of the bias a query takes.
#[inline(always)]
fn gate(attention: &GatedAttention, head: usize, slice: &[f32]) -> f32 {
    let (first, second) = attention.gate_weight.split_at(slice.len());
    let [a, b] = attention.gate_bias;
    sigmoid(dot(slice, first) + a) * (sigmoid(dot(slice, second) + b) * attention.gate_constant[head] - 1.0) + 2.0
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; WIDE];
    let ((wide_a, rest_a), (wide_b, rest_b)) = (a.as_chunks::<WIDE>(), b.as_chunks::<WIDE>());
    for (a, b) in wide_a.iter().zip(wide_b) {
        (0..WIDE).for_each(|i| sums[i] += a[i] * b[i]);
    }
    sums.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
}

/// Adds the gated bias to the first `frames` of `scores`, makes them e^(score - largest), and gives their sum. Both slices
/// are whole tiles.
#[inline(always)]
fn weigh(scores: &mut [f32], frames: usize, gate: f32, bias: &[f32]) -> f32 {
    /// Less than any score, and still a number: e^(this - largest) is nothing beside the sum.
    const NOTHING: f32 = -1e30;
    for (score, bias) in scores.iter_mut().zip(bias) {
        *score += gate * bias;
    }
    scores[frames..].fill(NOTHING);
    let mut largest = [NOTHING; LANES];
    for scores in scores.as_chunks::<LANES>().0 {
        for i in 0..LANES {
            largest[i] = if scores[i] > largest[i] { scores[i] } else { largest[i] };
        }
    }
    let largest = largest.into_iter().fold(NOTHING, f32::max);
    let mut sums = [0.0; WIDE];
    for scores in scores.as_chunks_mut::<WIDE>().0 {
        for i in 0..WIDE {
            // NaN, which the exponential would make a number of, goes on through the weight.
            let apart = scores[i] - largest;
            scores[i] = exp_of_negative(apart) + apart * 0.0;
        }
        for i in 0..WIDE {
            sums[i] += scores[i];
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attention(heads: usize, width: usize, reach: usize, draw: &mut fastrand::Rng) -> GatedAttention {
        let mut numbers = |count: usize| -> Vec<f32> { (0..count).map(|_| draw.f32() * 2.0 - 1.0).collect() };
        GatedAttention {
            heads,
            width,
            table: numbers(heads * (2 * reach + 1)),
            gate_weight: numbers(2 * width),
            gate_bias: [0.3, -0.2],
            gate_constant: numbers(heads),
            halves: false,
        }
    }

    /// The same from its definition, in f64.
    fn expected(a: &GatedAttention, projected: &[f32], stream: &[f32]) -> Vec<f64> {
        let (hidden, reach) = (a.hidden(), a.table.len() / a.heads / 2);
        let frames = stream.len() / hidden;
        let mut out = vec![0.0; stream.len()];
        for h in 0..a.heads {
            let at = |t: usize, part: usize, d: usize| {
                f64::from(projected[t * 3 * hidden + part * hidden + h * a.width + d])
            };
            for i in 0..frames {
                let share = |which: usize| {
                    let product = |d: usize| {
                        f64::from(stream[i * hidden + h * a.width + d]) * f64::from(a.gate_weight[which * a.width + d])
                    };
                    let sum = (0..a.width).map(product).sum::<f64>() + f64::from(a.gate_bias[which]);
                    1.0 / (1.0 + (-sum).exp())
                };
                let gate = share(0) * (share(1) * f64::from(a.gate_constant[h]) - 1.0) + 2.0;
                let score = |j: usize| {
                    let distance = (j as i64 - i as i64).clamp(-(reach as i64), reach as i64) + reach as i64;
                    let bias = f64::from(a.table[h * (2 * reach + 1) + distance as usize]);
                    (0..a.width).map(|d| at(i, 0, d) * at(j, 1, d)).sum::<f64>() + gate * bias
                };
                let weights: Vec<f64> = (0..frames).map(|j| score(j).exp()).collect();
                let sum: f64 = weights.iter().sum();
                for d in 0..a.width {
                    out[i * hidden + h * a.width + d] =
                        (0..frames).map(|j| weights[j] * at(j, 2, d)).sum::<f64>() / sum;
                }
            }
        }
        out
    }

    #[test]
    fn the_context_is_that_of_the_definition() {
        let mut draw = fastrand::Rng::with_seed(4);
        // Widths and lengths below, at and above a tile's; distances within and beyond the table.
        for (heads, width, reach, frames) in [(1, 8, 3, 1), (2, 16, 5, 13), (3, 64, 100, 64), (2, 80, 40, 131)] {
            let a = attention(heads, width, reach, &mut draw);
            let projected: Vec<f32> = (0..frames * 3 * a.hidden()).map(|_| draw.f32() * 2.0 - 1.0).collect();
            let stream: Vec<f32> = (0..frames * a.hidden()).map(|_| draw.f32() * 2.0 - 1.0).collect();
            let expected = expected(&a, &projected, &stream);
            for isa in Isa::usable() {
                let mut out = vec![0.0; stream.len()];
                a.run(&projected, &stream, &mut out, isa);
                for (found, expected) in out.iter().zip(&expected) {
                    assert!((f64::from(*found) - expected).abs() < 2e-5, "{isa}, {frames}: {found} against {expected}");
                }
            }
        }
    }

    /// What eight bits of precision leave of it: an odd width and an odd length have a half without a partner.
    #[test]
    fn halves_are_near_the_definition() {
        let mut draw = fastrand::Rng::with_seed(5);
        for (heads, width, reach, frames) in [(1, 7, 3, 1), (2, 16, 5, 13), (3, 64, 100, 64), (2, 80, 40, 131)] {
            let a = GatedAttention { halves: true, ..attention(heads, width, reach, &mut draw) };
            let projected: Vec<f32> = (0..frames * 3 * a.hidden()).map(|_| draw.f32() * 2.0 - 1.0).collect();
            let stream: Vec<f32> = (0..frames * a.hidden()).map(|_| draw.f32() * 2.0 - 1.0).collect();
            let expected = expected(&a, &projected, &stream);
            for isa in Isa::usable() {
                let mut out = vec![0.0; stream.len()];
                a.run(&projected, &stream, &mut out, isa);
                let apart = out.iter().zip(&expected).map(|(f, e)| (f64::from(*f) - e).abs()).fold(0.0, f64::max);
                assert!(apart < 2e-2, "{isa}, {width}, {frames}: {apart}");
            }
        }
    }

    #[test]
    fn a_frame_that_is_no_number_is_seen() {
        let mut draw = fastrand::Rng::with_seed(4);
        let sound = attention(1, 8, 3, &mut draw);
        let both = [false, true].map(|halves| GatedAttention { halves, ..sound.clone() });
        for (bad, a) in [f32::NAN, f32::INFINITY].into_iter().flat_map(|bad| [(bad, &both[0]), (bad, &both[1])]) {
            let mut projected = vec![0.5; 5 * 24];
            projected[2 * 24 + 8] = bad;
            for isa in Isa::usable() {
                let mut out = vec![0.0; 40];
                a.run(&projected, &[0.1; 40], &mut out, isa);
                assert!(out.iter().all(|v| v.is_nan()), "{isa}: every query looks at that key");
            }
        }
    }

    #[test]
    fn constants_that_do_not_fit_are_seen() {
        let sound = attention(2, 8, 3, &mut fastrand::Rng::with_seed(4));
        assert!(sound.is_sound());
        assert!(!GatedAttention { table: vec![0.0; 12], ..sound.clone() }.is_sound());
        assert!(!GatedAttention { gate_constant: vec![0.0; 3], ..sound.clone() }.is_sound());
        assert!(!GatedAttention { gate_weight: vec![0.0; 3], ..sound }.is_sound());
    }
}
