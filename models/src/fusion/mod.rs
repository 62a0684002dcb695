//! UMCA with MIA: audio, text and video sequences of one utterance in, one valence out (spec sections 3, 4, 7, 9).
//!
//! One graph serves both flows. `text_missing` says, per clip, whether the text rows are simulated; only then do the two
//! imagination blocks replace the text vectors.

mod attention;
mod clip;
mod config;
mod graph;
mod imagination;
mod layers;
mod parameters;
mod session;
mod variant;
mod views;

pub use clip::{FusionInput, PaddedLengths};
pub use config::{FusionConfig, Mia, MiaResidual, Padding};
pub use graph::{build, contract};
pub(crate) use parameters::is_uncalled;
pub use parameters::{parameters, recognise};
pub use session::{Fusion, FusionOutput};
pub use variant::{Variant, read};

/// The network's name in messages.
const MODEL: &str = "fusion";
/// Audio, text, video.
const MODALITIES: usize = 3;
/// atv, at, tv, av, a, t, v (spec section 3.4).
const VIEWS: usize = 7;
