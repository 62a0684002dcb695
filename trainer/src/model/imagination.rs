//! Missing-text imagination: an autoencoder over all three modalities corrects the text vector (spec section 4).

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use mien_models::fusion::MiaResidual;

use super::layers::{Gap, Linear};

/// One imagination block. There is no dropout in it, and no activation but the transition's ReLU.
#[derive(Module, Debug)]
pub(crate) struct Imagination {
    pub(crate) transition: (Linear, Gap, Linear),
    pub(crate) encoder_0: (Linear, Gap),
    pub(crate) decoder_0: (Linear, Gap),
}

impl Imagination {
    /// The imagined text [N, d] from audio, text and video [N, d].
    pub(crate) fn forward(&self, [audio, text, video]: [Tensor<2>; 3], residual: MiaResidual) -> Tensor<2> {
        let joined = Tensor::cat(vec![audio, text.clone(), video], 1);
        let transition = self.transition.2.forward(relu(self.transition.0.forward(joined)));
        let decoded = self.decoder_0.0.forward(self.encoder_0.0.forward(transition.clone()));
        match residual {
            MiaResidual::Text => decoded + text,
            MiaResidual::Transition => decoded + transition,
        }
    }
}
