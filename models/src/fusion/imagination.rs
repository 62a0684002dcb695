//! Missing-text imagination: an autoencoder over all three modalities corrects the text vector (spec section 4).

use super::layers::Builder;
use super::{MODALITIES, MiaResidual};
use crate::Result;
use crate::onnx::Value;

/// One imagination block.
pub(super) struct Imagination {
    /// The authors' key of the block.
    pub(super) key: &'static str,
    /// d: width of the three vectors.
    pub(super) width: usize,
    /// d': width between encoder and decoder.
    pub(super) latent: usize,
    /// What is added to the decoder's output.
    pub(super) residual: MiaResidual,
}

impl Imagination {
    /// The imagined text for rows whose text is missing, `modalities[1]` unchanged for the others.
    ///
    /// `modalities` are audio, text, video, each [B, .., d]; `missing` is boolean and broadcasts against them. Rows are
    /// chosen, not mixed, so a clip with text is not touched by the block.
    pub(super) fn apply(
        &self,
        builder: &mut Builder<'_>,
        modalities: [&Value; MODALITIES],
        missing: &Value,
    ) -> Result<Value> {
        let (key, d, latent) = (self.key, self.width, self.latent);
        let text = modalities[1];
        let joined = builder.graph.concat(&modalities, -1);
        let hidden = builder.linear(&format!("{key}.transition.0"), &joined, MODALITIES * d, d)?;
        let hidden = builder.graph.relu(&hidden);
        let transition = builder.linear(&format!("{key}.transition.2"), &hidden, d, d)?;
        let encoded = builder.linear(&format!("{key}.encoder_0.0"), &transition, d, latent)?;
        let decoded = builder.linear(&format!("{key}.decoder_0.0"), &encoded, latent, d)?;
        let residual = match self.residual {
            MiaResidual::Text => text,
            MiaResidual::Transition => &transition,
        };
        let imagined = builder.graph.add(&decoded, residual);
        Ok(builder.graph.node("Where", &[missing, &imagined, text], &[]))
    }
}
