//! The one error type of this crate.

use std::path::PathBuf;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, ModelError>;

/// What can go wrong with weights, graphs, bundles and the language model.
///
/// Every message names the file or key, what was expected, what was found, and the next step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The operating system refused a file operation.
    #[error("{}: cannot {action}: {source}; check that the path exists and is readable and that the disk has room", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted, as a verb phrase ("read", "write", "map").
        action: &'static str,
        /// The system's own error.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what its reader can read.
    #[error("{}: not a readable {format} file: {reason}; {fix}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format's name.
        format: &'static str,
        /// What was expected and found.
        reason: String,
        /// What the user can do.
        fix: &'static str,
    },
    /// A tensor that the architecture needs is not in the file.
    #[error("{origin}: tensor {key} is missing, expected shape {expected:?}; is this the checkpoint of another model?")]
    MissingTensor {
        /// Where the tensors come from.
        origin: String,
        /// The tensor's name after prefix removal.
        key: String,
        /// The shape the architecture needs.
        expected: Vec<usize>,
    },
    /// A tensor that the architecture does not know is in the file.
    #[error(
        "{origin}: tensor {key} with shape {found:?} does not belong to {architecture}; is this the checkpoint of another model?"
    )]
    ExtraTensor {
        /// Where the tensors come from.
        origin: String,
        /// The tensor's name.
        key: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// The architecture that was asked for.
        architecture: &'static str,
    },
    /// A tensor has another shape than the architecture needs.
    #[error(
        "{origin}: tensor {key} has shape {found:?}, expected {expected:?}; is this the checkpoint of another model or size?"
    )]
    TensorShape {
        /// Where the tensors come from.
        origin: String,
        /// The tensor's name.
        key: String,
        /// The shape the architecture needs.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor has an element type that cannot serve as weights.
    #[error("{origin}: tensor {key} has element type {found}, expected f32, f16 or bf16; convert the checkpoint")]
    TensorDtype {
        /// Where the tensors come from.
        origin: String,
        /// The tensor's name.
        key: String,
        /// The type in the file.
        found: String,
    },
    /// A number that must be finite is NaN or infinite.
    #[error(
        "{origin}: {what} holds {value} at index {index}, expected finite numbers; the file is damaged or the training diverged"
    )]
    NotFinite {
        /// The file, model or stage.
        origin: String,
        /// The tensor or input.
        what: String,
        /// Row-major flat index of the first bad element.
        index: usize,
        /// The value found.
        value: f32,
    },
    /// A network's sizes do not fit together.
    #[error("{what}: {reason}")]
    Config {
        /// The configuration that is wrong.
        what: String,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// A tensor given to (or by) a network breaks its contract.
    #[error("{model}: {tensor}: expected {expected}, found {found}")]
    Contract {
        /// The network.
        model: String,
        /// The input or output.
        tensor: String,
        /// What the contract says.
        expected: String,
        /// What came.
        found: String,
    },
    /// Layers of the language model that are to run on a GPU do not, or cannot.
    #[error("language model: gpu_layers is {asked}, but {found}; {fix}")]
    Gpu {
        /// Layers that were asked for; more than the model has mean all.
        asked: u32,
        /// What is there instead.
        found: String,
        /// What the user can do.
        fix: String,
    },
    /// The inference engine refused a graph or a run.
    #[error("{model}: the inference engine failed to {action}: {reason}")]
    Engine {
        /// The network.
        model: String,
        /// What was attempted.
        action: &'static str,
        /// The engine's own words.
        reason: String,
    },
    /// A bundle's manifest is not acceptable.
    #[error("{}: {reason}; rebuild or reinstall the bundle", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Key, expected and found.
        reason: String,
    },
    /// A bundle's file is not the file that the manifest describes.
    #[error("{}: {what} is {found}, expected {expected}; the file was changed or not copied whole: reinstall the bundle", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// "sha256" or "size in bytes".
        what: &'static str,
        /// What the manifest says.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// A file is no longer what it was when its digest was held.
    #[error(
        "{}: the file was changed while it was in use, so nothing of it was used; install bundles with `mien bundle import`, \
         which never writes into one that is there, and try again",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A GGUF file holds another model than the one that is needed.
    #[error("{}: {key} is {found}, expected {expected}; {fix}", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// The metadata key or tensor.
        key: String,
        /// What is needed.
        expected: String,
        /// What the file has.
        found: String,
        /// What the user can do.
        fix: &'static str,
    },
    /// The language model failed while it ran.
    #[error("language model: {action}: {reason}")]
    Llama {
        /// What was attempted.
        action: &'static str,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// A computation was stopped on request.
    #[error("{what}: cancelled on request")]
    Cancelled {
        /// What was computing.
        what: &'static str,
    },
}

impl ModelError {
    /// Wraps an I/O error with its path and the attempted action.
    pub fn io(path: impl Into<PathBuf>, action: &'static str, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), action, source }
    }
}
