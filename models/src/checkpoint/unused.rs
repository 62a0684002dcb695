//! Why tensors of published checkpoints are left, by network.

use super::kind::Kind;
use crate::{fusion, manet, projector, wavlm};

/// The name without what wrappers put before it.
pub(super) fn short(kind: Kind, name: &str) -> &str {
    let prefixes: &[&str] = match kind {
        Kind::Wavlm => &[wavlm::PREFIX],
        Kind::Manet => &[manet::PREFIX],
        Kind::Projector => &[projector::PREFIX],
        Kind::Fusion => &fusion::PREFIXES,
        _ => &[],
    };
    prefixes.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

/// Why the tensor `name` of a checkpoint of `kind`, which the network does not take, is left.
pub(super) fn why(kind: Kind, name: &str) -> &'static str {
    let short = short(kind, name);
    match kind {
        _ if name.ends_with("num_batches_tracked") => "counters, not used at inference",
        Kind::Wavlm if short == "masked_spec_embed" => "used in training only",
        Kind::Wavlm => "a task's head or another part, not the encoder's",
        Kind::Projector => "parts that were trained along with the projector",
        Kind::Fusion if short.contains("_imagination_mlp.") => {
            "the imagination blocks, which do not run with mia = off"
        }
        Kind::Fusion if fusion::is_uncalled(short) => "a normalisation that the authors' code never calls",
        Kind::Fusion => "declared by the authors' code, read by nothing",
        _ => "not part of the network",
    }
}
