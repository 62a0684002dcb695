//! One utterance as the graph's input arrays (spec section 7).

use std::borrow::Cow;

use super::graph::STREAMS;
use super::{FusionConfig, MODALITIES, MODEL, Padding};
use crate::tensor::Tensor;
use crate::{ModelError, Result};

/// Most elements of one padded stream (2 GiB of f32); a longer one is refused rather than allocated.
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

/// Rows per stream that reference padding fills every clip up to.
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

/// One stream of one clip.
pub(super) struct Stream<'a> {
    /// [1, T, width].
    pub(super) shape: [usize; 3],
    /// The clip's own rows, copied only where rows are added.
    pub(super) rows: Cow<'a, [f32]>,
    /// [1, T]: every row takes part.
    pub(super) mask: Vec<bool>,
}

/// The streams of clip `index` of a batch: as they are, or with zero rows on the right up to `lengths`.
///
/// # Errors
/// Contract for a sequence of another width or rank, or longer than its length; NotFinite. Messages name clip and
/// stream.
pub(super) fn streams<'a>(
    index: usize,
    clip: &FusionInput<'a>,
    lengths: PaddedLengths,
    config: &FusionConfig,
) -> Result<[Stream<'a>; MODALITIES]> {
    let [audio, text, video] = config.widths();
    let stream = |m: usize, features, width, length| {
        let (name, _) = STREAMS[m];
        stream(&format!("{name} of clip {index}"), features, width, length, config.padding)
    };
    Ok([
        stream(0, clip.audio, audio, lengths.audio)?,
        stream(1, clip.text, text, lengths.text)?,
        stream(2, clip.video, video, lengths.video)?,
    ])
}

fn stream<'a>(name: &str, features: &'a Tensor, width: usize, length: usize, padding: Padding) -> Result<Stream<'a>> {
    if features.shape().len() != 2 || features.width() != width {
        return Err(refused(name, format!("[rows, {width}]"), format!("{:?}", features.shape())));
    }
    if features.rows() > length {
        return Err(refused(name, format!("at most {length} rows"), format!("{} rows", features.rows())));
    }
    if let Some((index, value)) = features.first_not_finite() {
        return Err(ModelError::NotFinite { origin: MODEL.into(), what: name.into(), index, value });
    }
    let rows = match padding {
        Padding::Masked => features.rows().max(1),
        Padding::Reference => length.max(1),
    };
    let Some(elements) = rows.checked_mul(width).filter(|&n| n <= LARGEST_STREAM) else {
        return Err(refused(name, format!("at most {LARGEST_STREAM} elements"), format!("{rows} rows of {width}")));
    };
    let mut data = Cow::Borrowed(features.data());
    if data.len() < elements {
        let mut padded = Vec::with_capacity(elements);
        padded.extend_from_slice(&data);
        padded.resize(elements, 0.0);
        data = Cow::Owned(padded);
    }
    Ok(Stream { shape: [1, rows, width], rows: data, mask: vec![true; rows] })
}

fn refused(tensor: &str, expected: String, found: String) -> ModelError {
    ModelError::Contract { model: MODEL.into(), tensor: tensor.into(), expected, found }
}
