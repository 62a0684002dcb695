//! The one error type of this crate.

use std::path::PathBuf;

use mien_models::ModelError;

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
}

impl TrainerError {
    /// Wraps an I/O error with its path and the attempted action.
    pub fn io(path: impl Into<PathBuf>, action: &'static str, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), action, source }
    }

    /// A corpus that breaks a rule.
    pub fn corpus(origin: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Corpus { origin: origin.into(), reason: reason.into() }
    }

    /// A setting that cannot be.
    pub fn setting(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Setting { key: key.into(), reason: reason.into() }
    }
}
