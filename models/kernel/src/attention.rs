//! Self-attention with gated relative position bias, all heads in one pass (WavLM; spec section 2.1).

use std::cell::RefCell;

use super::Isa;
use super::float::{LANES, ROWS, Tile};
use super::function::exp_of_negative;
use super::isa::{Tiles, Work};
use super::rows::for_rows;
use super::threads::{for_blocks, threads};

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
            && gate_weight.len() == 2 * width
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

/// Keys and values of a head as the tiles read them, filled up with zeros; scores of a tile's queries. Kept by each thread,
/// so that no layer asks for new memory.
#[derive(Default)]
struct Scratch {
    /// [tiles of frames, W, tile].
    keys: Vec<f32>,
    /// [tiles of the width, T, tile].
    values: Vec<f32>,
    /// [2 T - 1] by distance + T - 1, and a tile of zeros.
    bias: Vec<f32>,
    scores: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Scratch {
    #[inline(always)]
    fn fill(&mut self, attention: &GatedAttention, projected: &[f32], frames: usize, head: usize) {
        let GatedAttention { heads, width, .. } = *attention;
        let hidden = heads * width;
        let reset = |numbers: &mut Vec<f32>, count: usize| {
            numbers.clear();
            numbers.resize(count, 0.0);
        };
        reset(&mut self.keys, frames.next_multiple_of(LANES) * width);
        reset(&mut self.values, frames * width.next_multiple_of(LANES));
        reset(&mut self.scores, ROWS * frames.next_multiple_of(LANES));
        for (t, row) in projected.chunks_exact(3 * hidden).enumerate() {
            let key = &row[hidden + head * width..][..width];
            let keys = &mut self.keys[t / LANES * LANES * width + t % LANES..];
            key.iter().zip(keys.iter_mut().step_by(LANES)).for_each(|(key, place)| *place = *key);
            let value = &row[2 * hidden + head * width..][..width];
            for (i, part) in value.chunks(LANES).enumerate() {
                self.values[(i * frames + t) * LANES..][..part.len()].copy_from_slice(part);
            }
        }
        let table = &attention.table[head * (attention.table.len() / heads)..][..attention.table.len() / heads];
        let (reach, last) = ((table.len() / 2) as isize, frames as isize - 1);
        self.bias.clear();
        self.bias.extend((-last..=last).map(|d| table[(d.clamp(-reach, reach) + reach) as usize]));
        self.bias.resize(2 * frames - 1 + LANES, 0.0);
    }
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
        scratch.fill(self.attention, self.projected, self.frames, self.head);
        self.context::<T>(&mut scratch);
        SCRATCH.set(scratch);
    }
}

impl Head<'_, '_> {
    #[inline(always)]
    fn context<T: Tiles>(self, scratch: &mut Scratch) {
        let Self { attention, projected, stream, frames, head, out } = self;
        let (width, hidden) = (attention.width, attention.hidden());
        let Scratch { keys, values, bias, scores } = scratch;
        let columns = frames.next_multiple_of(LANES);
        let mut tile = [0.0; LANES * ROWS];
        for (i, out) in out.chunks_mut(ROWS * width).enumerate() {
            let begin = i * ROWS;
            let count = out.len() / width;
            for (column, keys) in keys.chunks_exact(LANES * width).enumerate() {
                let to = Tile { numbers: &mut scores[column * LANES..], stride: columns, adds: false };
                for_rows!(
                    count,
                    r => &projected[(begin + r) * 3 * hidden + head * width..][..width],
                    queries => T::product(queries, keys, LANES, to)
                );
            }
            let mut sums = [0.0; ROWS];
            for (r, scores) in scores.chunks_exact_mut(columns).take(count).enumerate() {
                let at = begin + r;
                let gate = gate(attention, head, &stream[at * hidden + head * width..][..width]);
                sums[r] = weigh(scores, frames, gate, &bias[frames - 1 - at..][..columns]);
            }
            for (part, values) in values.chunks_exact(LANES * frames).enumerate() {
                let to = Tile { numbers: &mut tile, stride: LANES, adds: false };
                for_rows!(
                    count,
                    r => &scores[r * columns..][..frames],
                    weights => T::product(weights, values, LANES, to)
                );
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
    let tiles = scores.as_chunks_mut::<LANES>().0;
    let mut largest = [NOTHING; LANES];
    for scores in tiles.iter() {
        for i in 0..LANES {
            largest[i] = if scores[i] > largest[i] { scores[i] } else { largest[i] };
        }
    }
    let largest = largest.into_iter().fold(NOTHING, f32::max);
    let mut sums = [0.0; LANES];
    for scores in tiles {
        for i in 0..LANES {
            // NaN, which the exponential would make a number of, goes on through the weight.
            let apart = scores[i] - largest;
            scores[i] = exp_of_negative(apart) + apart * 0.0;
        }
        for i in 0..LANES {
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

    #[test]
    fn a_frame_that_is_no_number_is_seen() {
        let mut draw = fastrand::Rng::with_seed(4);
        let a = attention(1, 8, 3, &mut draw);
        for bad in [f32::NAN, f32::INFINITY] {
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
