//! The one error type of this crate.

use std::path::PathBuf;

use mien_models::ModelError;
use mien_quantize::QuantizeError;
use mien_runtime::RuntimeError;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, TrainerError>;

/// What can go wrong between data files and trained weights.
///
/// Every message names the file or key, what was expected, what was found, and the next step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainerError {
    // --- files, settings, machines ---
    /// The operating system refused a file operation.
    #[error("{}: cannot {action}: {source}; check that the path exists and is readable and that the disk has room", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted, as a verb phrase ("read", "write", "rename into place").
        action: &'static str,
        /// The system's own error.
        #[source]
        source: std::io::Error,
    },
    /// A setting has a value that cannot be.
    #[error("{key}: {reason}")]
    Setting {
        /// The key in the experiment file or the option.
        key: String,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// The computing device that was asked for is not there.
    #[error("device {asked:?}: {reason}")]
    Device {
        /// What `--device` said.
        asked: String,
        /// What is there, and what to do.
        reason: String,
    },
    /// The tensor library failed.
    #[error("the tensor library failed to {action}: {reason}")]
    Engine {
        /// What was attempted.
        action: &'static str,
        /// The library's own words.
        reason: String,
    },
    /// Weights, tensors or architectures.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The device's code: opening a bundle, loading its networks.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// Networks in bytes.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),

    // --- data ---
    /// A data file is not what its reader can read.
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
    /// A corpus breaks a rule: its labels, ids, splits or rows.
    #[error("{origin}: {reason}")]
    Corpus {
        /// The corpus, or the file in it.
        origin: String,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// A folder is no feature store that this program can use.
    #[error("feature store {}: {reason}", path.display())]
    Store {
        /// The store's folder or a file in it.
        path: PathBuf,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// A folder is not as an extraction needs it.
    #[error("{}: {reason}", path.display())]
    Extraction {
        /// The folder or a file in it.
        path: PathBuf,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// The extraction was begun with another bundle or other settings.
    #[error("{}: {key} was {saved} when the extraction began and is {now} now; go on as it was begun, or extract into a new folder", path.display())]
    ExtractionChanged {
        /// The extraction's file.
        path: PathBuf,
        /// The first key that differs.
        key: String,
        /// Its value when the extraction began.
        saved: String,
        /// Its value now.
        now: String,
    },
    /// A batch does not fit the network or itself.
    #[error(
        "batch of {clips}: {what} is {found}, expected {expected}; import the data again or change the experiment's [network] table"
    )]
    Batch {
        /// The clips' ids, the first few of them.
        clips: String,
        /// The stream or property.
        what: String,
        /// What the network or the other streams need.
        expected: String,
        /// What came.
        found: String,
    },

    /// What a network is given does not fit it.
    #[error("{network}: {what} is {found}, expected {expected}; change what it is given, or its sizes")]
    Input {
        /// The network or what it learns by.
        network: &'static str,
        /// The input's property.
        what: String,
        /// What the network needs.
        expected: String,
        /// What came.
        found: String,
    },

    // --- training ---
    /// A loss or gradient is NaN or infinite.
    #[error(
        "epoch {epoch}, step {step}: {what} is {value}; batch: {clips}; look at these clips' features, or lower the learning rate"
    )]
    NotFinite {
        /// Epoch, counted from 1.
        epoch: usize,
        /// Step of the whole run, counted from 1.
        step: u64,
        /// The loss term or the parameter whose gradient it is.
        what: String,
        /// The value.
        value: f64,
        /// The batch's ids.
        clips: String,
    },
    /// A run's folder is not as a command needs it.
    #[error("{}: {reason}", path.display())]
    Run {
        /// The folder or file.
        path: PathBuf,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// A checkpoint cannot be continued from.
    #[error("{}: not a usable checkpoint: {reason}", path.display())]
    Checkpoint {
        /// The checkpoint's folder or file.
        path: PathBuf,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// A report cannot be made or stand where it should.
    #[error("report {}: {reason}", path.display())]
    Report {
        /// The report's folder or a picture in it.
        path: PathBuf,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// The run was begun with another experiment.
    #[error("{}: {key} was {saved} when the run began and is {now} now; resume with the saved experiment, or train into a new folder", path.display())]
    ExperimentChanged {
        /// The run's saved experiment.
        path: PathBuf,
        /// The first setting that differs.
        key: String,
        /// Its value in the saved experiment.
        saved: String,
        /// Its value now.
        now: String,
    },

    // --- the pocket world ---
    /// A folder is no pocket corpus, or not the one that it should be.
    #[error("{}: {reason}", path.display())]
    Pocket {
        /// The folder or a file in it.
        path: PathBuf,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// A program that the work needs is not there or fails.
    #[error("{program}: {reason}")]
    Program {
        /// The program's name.
        program: &'static str,
        /// Expected, found, and what to do.
        reason: String,
    },

    // --- bundles ---
    /// A trained network cannot be put into a bundle.
    #[error("bundle {}: {reason}", path.display())]
    Export {
        /// The bundle.
        path: PathBuf,
        /// Expected, found, and what to do.
        reason: String,
    },
}

impl TrainerError {
    /// The process exit code: 2 usage, 3 bad input or configuration, 4 device, 5 bundle, 1 anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Device { .. } => 4,
            Self::Runtime(error) => error.exit_code(),
            Self::Model(error) => model_exit_code(error),
            Self::Quantize(error) => quantize_exit_code(error),
            Self::Io { action, .. } => io_exit_code(action),
            Self::Engine { .. } | Self::NotFinite { .. } | Self::Program { .. } => 1,
            Self::Setting { .. } | Self::Format { .. } | Self::Corpus { .. } | Self::Store { .. } => 3,
            Self::Extraction { .. } | Self::ExtractionChanged { .. } | Self::Pocket { .. } => 3,
            Self::Batch { .. } | Self::Input { .. } => 3,
            Self::Run { .. } | Self::Checkpoint { .. } | Self::ExperimentChanged { .. } | Self::Report { .. } => 3,
            Self::Export { .. } => 5,
        }
    }

    /// Wraps an I/O error with its path and the attempted action.
    pub fn io(path: impl Into<PathBuf>, action: &'static str, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), action, source }
    }

    /// A corpus that breaks a rule.
    pub fn corpus(origin: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Corpus { origin: origin.into(), reason: reason.into() }
    }

    /// What a network is given and does not fit it.
    pub fn input(
        network: &'static str,
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Input { network, what: what.into(), expected: expected.into(), found: found.into() }
    }

    /// A setting that cannot be.
    pub fn setting(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Setting { key: key.into(), reason: reason.into() }
    }
}

/// Weights that a user names are input; a manifest or a file that it lists is a bundle's.
fn model_exit_code(error: &ModelError) -> u8 {
    match error {
        ModelError::Manifest { .. } | ModelError::Digest { .. } | ModelError::Gguf { .. } => 5,
        ModelError::Io { action, .. } => io_exit_code(action),
        ModelError::Engine { .. } | ModelError::Llama { .. } | ModelError::Cancelled { .. } => 1,
        // Tensors that are missing, of another shape, no numbers; sizes that do not fit.
        _ => 3,
    }
}

/// A bundle that is not as good as the one in floats is a bundle's fault.
fn quantize_exit_code(error: &QuantizeError) -> u8 {
    match error {
        QuantizeError::Model(error) => model_exit_code(error),
        QuantizeError::Gate { .. } => 5,
        QuantizeError::Unequal { .. } => 1,
        // Names of layers and settings.
        _ => 3,
    }
}

/// What cannot be read was named by the user; what cannot be written is a full or broken disk.
fn io_exit_code(action: &str) -> u8 {
    if matches!(action, "read" | "open" | "list" | "map" | "look at" | "find") { 3 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_tell_input_from_machines_and_bundles() {
        let io = |action| TrainerError::io("x", action, std::io::Error::other("y"));
        let model = |e: ModelError| TrainerError::from(e).exit_code();
        let manifest = || ModelError::Manifest { path: "m".into(), reason: "r".into() };
        assert_eq!((io("read").exit_code(), io("write").exit_code(), io("rename into place").exit_code()), (3, 1, 1));
        assert_eq!(TrainerError::corpus("a", "b").exit_code(), 3);
        assert_eq!(TrainerError::setting("a", "b").exit_code(), 3);
        assert_eq!(TrainerError::Device { asked: "cuda:9".into(), reason: "r".into() }.exit_code(), 4);
        assert_eq!(model(manifest()), 5);
        assert_eq!(model(ModelError::io("x", "read", std::io::Error::other("y"))), 3);
        assert_eq!(TrainerError::from(RuntimeError::Bundle(manifest())).exit_code(), 5);
    }
}
