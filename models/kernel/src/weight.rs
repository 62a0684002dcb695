//! Weights as signed bytes with a scale for each output, in the order in which tiles read them.

use std::fmt;
use std::sync::Arc;

/// Outputs of a panel, and inputs that lie side by side in it.
pub use super::integer::{GROUP, LANES};

/// Weights of a matrix product, packed. The panels may lie in memory that something else owns, such as a file's tensor.
#[derive(Clone)]
pub struct PackedWeight {
    outputs: usize,
    segments: usize,
    /// Inputs of a segment.
    segment: usize,
    /// Panel after panel; see [`super::integer`].
    panels: Arc<dyn AsRef<[i8]> + Send + Sync>,
    /// For each output, rounded up to whole panels: scale, sum of the weights.
    scales: Vec<f32>,
    totals: Vec<i32>,
}

impl PackedWeight {
    /// Largest size of a weight; -128 has no counterpart.
    pub const LARGEST: i8 = 127;

    /// Weights in `panels` as [`pack`] orders them, with a scale for each output: `segments` segments of `segment` inputs,
    /// a multiple of 4. None when the numbers do not fit together or a weight is -128.
    #[must_use]
    pub fn new(
        panels: Arc<dyn AsRef<[i8]> + Send + Sync>,
        scales: &[f32],
        segments: usize,
        segment: usize,
    ) -> Option<Self> {
        /// 255 * 127 * this stays below 2^31.
        const MOST_INPUTS: usize = 1 << 16;
        let outputs = scales.len();
        let padded = outputs.next_multiple_of(LANES);
        let inputs = segments.checked_mul(segment)?;
        let bytes = (*panels).as_ref();
        let fits = outputs > 0
            && (1..=MOST_INPUTS).contains(&inputs)
            && segment.is_multiple_of(GROUP)
            && padded.checked_mul(inputs) == Some(bytes.len())
            && scales.iter().all(|scale| scale.is_finite());
        if !fits || bytes.contains(&i8::MIN) {
            return None;
        }
        let mut totals = vec![0; padded];
        for (panel, totals) in bytes.chunks_exact(LANES * inputs).zip(totals.chunks_exact_mut(LANES)) {
            for group in panel.chunks_exact(LANES * GROUP) {
                for (total, weights) in totals.iter_mut().zip(group.chunks_exact(GROUP)) {
                    *total += weights.iter().map(|w| i32::from(*w)).sum::<i32>();
                }
            }
        }
        let mut scales = scales.to_vec();
        scales.resize(padded, 0.0);
        Some(Self { outputs, segments, segment, panels, scales, totals })
    }

    /// Number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of segments of a row.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.segments
    }

    /// Inputs of a segment.
    #[must_use]
    pub fn segment(&self) -> usize {
        self.segment
    }

    /// Inputs of a row.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.segments * self.segment
    }

    /// The panels: weights, scales and totals of [`LANES`] outputs each.
    pub(super) fn panels(&self) -> impl Iterator<Item = Panel<'_>> {
        let weights = (*self.panels).as_ref().chunks_exact(LANES * self.inputs());
        let scales = self.scales.as_chunks::<LANES>().0.iter();
        let totals = self.totals.as_chunks::<LANES>().0.iter();
        weights.zip(scales).zip(totals).map(|((weights, scales), totals)| Panel { weights, scales, totals })
    }
}

impl fmt::Debug for PackedWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} outputs of {} inputs", self.outputs, self.inputs())
    }
}

/// Weights [outputs, segments, inputs] in the order of panels: [panels, groups, 64 outputs, 4 inputs]. Each segment's
/// inputs are filled up to a multiple of 4, and the outputs to a multiple of 64, with zeros.
#[must_use]
pub fn pack(weights: &[i8], outputs: usize, segments: usize) -> Vec<i8> {
    let inputs = weights.len() / (outputs * segments).max(1);
    let segment = inputs.next_multiple_of(GROUP);
    let mut panels = vec![0; outputs.next_multiple_of(LANES) * segments * segment];
    for (output, row) in weights.chunks_exact((segments * inputs).max(1)).enumerate() {
        let panel = output / LANES * LANES * segments * segment + output % LANES * GROUP;
        for (s, part) in row.chunks_exact(inputs.max(1)).enumerate() {
            for (i, weight) in part.iter().enumerate() {
                let k = s * segment + i;
                panels[panel + k / GROUP * GROUP * LANES + k % GROUP] = *weight;
            }
        }
    }
    panels
}

/// One panel.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    pub(super) weights: &'a [i8],
    pub(super) scales: &'a [f32; LANES],
    pub(super) totals: &'a [i32; LANES],
}

/// Weights [outputs, inputs] as signed bytes with the scale of each output: the largest size of a row becomes 127.
///
/// None when a number is not finite.
#[must_use]
pub fn quantise_weights(weights: &[f32], outputs: usize) -> Option<(Vec<i8>, Vec<f32>)> {
    let width = (weights.len() / outputs.max(1)).max(1);
    let largest = f32::from(PackedWeight::LARGEST);
    let mut bytes = Vec::with_capacity(weights.len());
    let mut scales = Vec::with_capacity(outputs);
    for row in weights.chunks_exact(width) {
        if row.iter().any(|w| !w.is_finite()) {
            return None;
        }
        let size = row.iter().fold(0f32, |size, w| size.max(w.abs()));
        let scale = size / largest;
        let inverse = if scale.is_normal() { f64::from(scale).recip() } else { 0.0 };
        bytes.extend(row.iter().map(|w| (f64::from(*w) * inverse).round_ties_even() as i8));
        scales.push(if scale.is_normal() { scale } else { 0.0 });
    }
    Some((bytes, scales))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn weights_come_back_within_half_a_step() {
        let mut draw = fastrand::Rng::with_seed(1);
        let weights: Vec<f32> = (0..7 * 33).map(|i| (draw.f32() - 0.5) * 10f32.powi(i / 33 - 3)).collect();
        let (bytes, scales) = quantise_weights(&weights, 7).unwrap();
        for (i, w) in weights.iter().enumerate() {
            let found = f32::from(bytes[i]) * scales[i / 33];
            assert!((found - w).abs() <= 0.5001 * scales[i / 33], "{found} for {w}");
        }
        assert!(bytes.chunks(33).all(|row| row.iter().any(|b| b.abs() == 127)), "the range is used");
        assert_eq!(quantise_weights(&[0.0; 4], 2).unwrap(), (vec![0; 4], vec![0.0; 2]));
        assert_eq!(quantise_weights(&[1.0, f32::NAN], 1), None);
    }

    #[test]
    fn panels_hold_every_weight_once() {
        // 2 outputs, 3 segments of 5 inputs: digits are output, segment, input.
        let weight = |i: usize| (i / 15 * 100 + i / 5 % 3 * 10 + i % 5) as i8;
        let panels = pack(&(0..30).map(weight).collect::<Vec<_>>(), 2, 3);
        assert_eq!(panels.len(), 64 * 3 * 8);
        for (at, found) in panels.iter().enumerate() {
            let (group, output, k) = (at / 256, at % 256 / 4, at % 4);
            let (segment, input) = (group / 2, group % 2 * 4 + k);
            let expected = if output < 2 && input < 5 { weight(output * 15 + segment * 5 + input) } else { 0 };
            assert_eq!(*found, expected, "{at}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        let new = |panels: Vec<i8>, outputs: usize, segments, segment| {
            PackedWeight::new(Arc::new(panels), &vec![1.0; outputs], segments, segment)
        };
        assert!(new(vec![1; 64 * 8], 2, 2, 4).is_some());
        assert!(new(vec![1; 64 * 8 - 1], 2, 2, 4).is_none(), "a weight is missing");
        assert!(new(vec![1; 64 * 8], 65, 2, 4).is_none(), "a panel is missing");
        assert!(new(vec![1; 64 * 6], 2, 2, 3).is_none(), "half a group");
        assert!(new([vec![-128], vec![1; 64 * 8 - 1]].concat(), 2, 2, 4).is_none());
        assert!(new(vec![1; 64 * 70_000], 1, 1, 70_000).is_none(), "sums could leave 32 bits");
        assert!(new(vec![], 0, 1, 4).is_none());
        assert!(PackedWeight::new(Arc::new(vec![1; 256]), &[f32::NAN], 1, 4).is_none());
    }
}
