//! UMCA with MIA in a form that learns: the architecture of `mien_models::fusion` on tensors with gradients, batch by
//! batch, with dropout (spec sections 3, 4, 6, 7).

mod attention;
mod host;
mod imagination;
mod layers;
mod mask;
mod noise;
mod sequence;
mod umca;
mod weights;

pub use noise::{Dropout, Noise};
pub use sequence::Sequence;
pub use umca::{Flow, Projected, Umca};
pub use weights::initial;
