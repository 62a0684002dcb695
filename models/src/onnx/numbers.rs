//! What the products of a network multiply, layer by layer.

use std::collections::BTreeSet;

use crate::{ModelError, Result};

/// What a product multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Weights as signed bytes with a scale for each output, what they meet as bytes scaled while the graph runs.
    Bytes,
    /// `f32`.
    Floats,
}

/// Layers that compute in `f32` in a network of bytes, by the names that the network gives out as its byte layers.
pub type FloatLayers = BTreeSet<String>;

/// Layers that compute with bytes; none of a network in `f32`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByteLayers(BTreeSet<String>);

impl ByteLayers {
    /// `layers`, all that can compute with bytes, but for `floats`. `network` and `example`, the name of a layer, are for
    /// messages.
    ///
    /// # Errors
    /// [`ModelError::Config`] for a name in `floats` that no layer has.
    pub(crate) fn but_for(floats: &FloatLayers, layers: Vec<String>, network: &str, example: &str) -> Result<Self> {
        let layers: BTreeSet<String> = layers.into_iter().collect();
        if let Some(name) = floats.difference(&layers).next() {
            return Err(ModelError::Config {
                what: format!("{network} layers to keep in f32"),
                reason: format!("no layer is named {name:?}, expected names such as {example}"),
            });
        }
        Ok(Self(layers.difference(floats).cloned().collect()))
    }

    /// What the layer `name` multiplies.
    pub(crate) fn numbers(&self, name: &str) -> Numbers {
        if self.0.contains(name) { Numbers::Bytes } else { Numbers::Floats }
    }
}
