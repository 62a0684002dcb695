//! Feature sequences of a batch on the computing device.

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::data::Stream;

/// Logit of an excluded position. Keys lie in [-1, 1], so no logit comes near it, and exp of it is exactly 0.
const EXCLUDED: f32 = -1e30;

/// One modality of B clips, padded to T rows.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// [B T, width]: clip after clip.
    pub(super) rows: Tensor<2>,
    /// B
    pub(super) clips: usize,
    /// T
    pub(super) longest: usize,
    /// [B, 1, T]: added to logits; 0 where a row takes part. `None` where all do.
    pub(super) excluded: Option<Tensor<3>>,
}

impl Sequence {
    /// The rows of `stream` as numbers of type `dtype` (f32, or f64 for checks of gradients).
    ///
    /// With `masked`, rows from a clip's length on are excluded from every softmax over time (spec section 7).
    pub fn new(stream: &Stream, masked: bool, device: &Device, dtype: DType) -> Self {
        let (clips, longest) = (stream.lengths.len(), stream.longest);
        let rows = TensorData::new(stream.rows.clone(), [clips * longest, stream.width]);
        let rows = Tensor::from_data(rows, (device, dtype));
        let padded = stream.lengths.iter().any(|&length| length < longest);
        let excluded = (masked && padded).then(|| {
            let row = |&length: &usize| (0..longest).map(move |t| if t < length { 0.0 } else { EXCLUDED });
            let logits: Vec<f32> = stream.lengths.iter().flat_map(row).collect();
            Tensor::from_data(TensorData::new(logits, [clips, 1, longest]), (device, dtype))
        });
        Self { rows, clips, longest, excluded }
    }

    /// The same clips and lengths with other rows [B T, width].
    pub(super) fn with_rows(&self, rows: Tensor<2>) -> Self {
        Self { rows, clips: self.clips, longest: self.longest, excluded: self.excluded.clone() }
    }
}
