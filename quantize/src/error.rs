//! The one error type of this crate.

use mien_models::ModelError;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, QuantizeError>;

/// Why a network in bytes cannot be made or must not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// Weights, graphs or sizes.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// No layer has the name that was given.
    #[error(
        "no byte layer is named {name:?}; expected a layer or what begins its name, such as {examples}; the table of \
         `bundle build --int8` lists them"
    )]
    UnknownLayer {
        /// What was given.
        name: String,
        /// Names of each network.
        examples: String,
    },
    /// A setting has a value that cannot be.
    #[error("{key}: {reason}")]
    Setting {
        /// The setting.
        key: &'static str,
        /// Expected and found.
        reason: String,
    },
    /// Two things that are compared do not have the same numbers of values.
    #[error("{what}: {float} values of the float network, {byte} of the byte network; they must be as many")]
    Unequal {
        /// What is compared.
        what: String,
        /// Values of the float network.
        float: usize,
        /// Values of the byte network.
        byte: usize,
    },
    /// Valences moved too far.
    #[error(
        "the networks in bytes move valences too far: p99 of the difference to f32 is {p99:.4}, expected at most {limit} \
         ({basis}); worst is {worst} with {largest:.4}; keep layers in f32, first of all {suspects}, or give a larger --gate"
    )]
    Gate {
        /// The 99th percentile of |valence in bytes - valence in f32|.
        p99: f64,
        /// What it may be at most.
        limit: f64,
        /// How many utterances it was measured on, and what that means.
        basis: String,
        /// The utterance that moved farthest.
        worst: String,
        /// How far that one moved.
        largest: f64,
        /// Options that keep the layers with most of the error in `f32`.
        suspects: String,
    },
}
