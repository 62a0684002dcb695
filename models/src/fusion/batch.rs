//! Clips of different lengths as one batch of arrays (spec section 7).

use super::graph::STREAMS;
use super::{FusionConfig, MODALITIES, MODEL, Padding};
use crate::tensor::Tensor;
use crate::{ModelError, Result};

/// Most elements of one padded stream (2 GiB of f32); a larger batch is refused rather than allocated.
const LARGEST_STREAM: usize = 1 << 29;

/// One utterance: three feature sequences [T, width], f32, finite, any length each.
///
/// A modality without rows ([0, width]) stands as one zero row.
#[derive(Clone, Copy, Debug)]
pub struct FusionInput<'a> {
    /// E_a [Ta, audio].
    pub audio: &'a Tensor,
    /// E_t or, when `text_missing`, simulated text [Tt, text].
    pub text: &'a Tensor,
    /// E_v [Tv, video].
    pub video: &'a Tensor,
    /// Whether `text` is simulated: the imagination blocks then run for this clip.
    pub text_missing: bool,
}

impl<'a> FusionInput<'a> {
    fn streams(&self) -> [&'a Tensor; MODALITIES] {
        [self.audio, self.text, self.video]
    }
}

/// Rows per stream that every clip of a batch is padded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaddedLengths {
    /// Audio rows.
    pub audio: usize,
    /// Text rows.
    pub text: usize,
    /// Video rows.
    pub video: usize,
}

impl PaddedLengths {
    /// The longest clip of each stream, at least one row.
    pub fn longest(batch: &[FusionInput<'_>]) -> Self {
        let longest = |rows: fn(&FusionInput<'_>) -> usize| batch.iter().map(rows).max().unwrap_or(0).max(1);
        Self {
            audio: longest(|c| c.audio.rows()),
            text: longest(|c| c.text.rows()),
            video: longest(|c| c.video.rows()),
        }
    }
}

/// One stream of a batch, padded on the right with zero rows.
pub(super) struct PaddedStream {
    /// [B, T, width].
    pub(super) shape: [usize; 3],
    pub(super) rows: Vec<f32>,
    /// [B, T]: true where a row takes part.
    pub(super) mask: Vec<bool>,
}

/// Pads `batch` to `lengths`.
///
/// # Errors
/// Contract for a sequence of another width or rank, one that is longer than its length, or a batch too large to hold;
/// NotFinite. Messages name clip and stream.
pub(super) fn pad(
    batch: &[FusionInput<'_>],
    lengths: PaddedLengths,
    config: &FusionConfig,
) -> Result<[PaddedStream; MODALITIES]> {
    let lengths = [lengths.audio, lengths.text, lengths.video];
    let widths = config.widths();
    let stream = |m: usize| {
        let (name, _) = STREAMS[m];
        let clips: Vec<&Tensor> = batch.iter().map(|clip| clip.streams()[m]).collect();
        pad_stream(name, &clips, lengths[m], widths[m], config.padding)
    };
    Ok([stream(0)?, stream(1)?, stream(2)?])
}

fn pad_stream(name: &str, clips: &[&Tensor], length: usize, width: usize, padding: Padding) -> Result<PaddedStream> {
    let shape = [clips.len(), length, width];
    let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= LARGEST_STREAM);
    let Some(elements) = elements else {
        return Err(refused(name, format!("at most {LARGEST_STREAM} elements in a batch"), format!("{shape:?}")));
    };
    let mut stream =
        PaddedStream { shape, rows: Vec::with_capacity(elements), mask: Vec::with_capacity(clips.len() * length) };
    for (i, clip) in clips.iter().enumerate() {
        let name = format!("{name} of clip {i}");
        if clip.shape().len() != 2 || clip.width() != width {
            return Err(refused(&name, format!("[rows, {width}]"), format!("{:?}", clip.shape())));
        }
        if clip.rows() > length {
            return Err(refused(&name, format!("at most {length} rows"), format!("{} rows", clip.rows())));
        }
        if let Some((index, value)) = clip.first_not_finite() {
            return Err(ModelError::NotFinite { origin: MODEL.into(), what: name, index, value });
        }
        stream.rows.extend_from_slice(clip.data());
        stream.rows.resize((i + 1) * length * width, 0.0);
        let taking_part = match padding {
            Padding::Masked => clip.rows().max(1),
            Padding::Reference => length,
        };
        stream.mask.resize(i * length + taking_part, true);
        stream.mask.resize((i + 1) * length, false);
    }
    Ok(stream)
}

fn refused(tensor: &str, expected: String, found: String) -> ModelError {
    ModelError::Contract { model: MODEL.into(), tensor: tensor.into(), expected, found }
}
