//! Why tensors of published checkpoints are left, by network.

use super::kind::Kind;
use crate::fusion;

/// Why the tensor `name` of a checkpoint of `kind`, which the network does not take, is left.
pub(super) fn why(kind: Kind, name: &str) -> &'static str {
    match kind {
        _ if name.ends_with("num_batches_tracked") => "counters, not used at inference",
        Kind::Wavlm if name.rsplit('.').next() == Some("masked_spec_embed") => "used in training only",
        Kind::Wavlm => "a task's head or another part, not the encoder's",
        Kind::Projector => "parts that were trained along with the projector",
        Kind::Fusion if name.contains("_imagination_mlp.") => "the imagination blocks, which do not run with mia = off",
        Kind::Fusion if fusion::is_uncalled(name) => "a normalisation that the authors' code never calls",
        Kind::Fusion => "declared by the authors' code, read by nothing",
        _ => "not part of the network",
    }
}
