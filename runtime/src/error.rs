//! The one error type of this crate, and the exit code of each error.

use std::path::PathBuf;

use mien_capture::{CaptureError, ErrorKind};
use mien_models::ModelError;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, RuntimeError>;

/// What can go wrong between a clip and its score.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// A clip cannot be read.
    #[error(transparent)]
    Clip(#[from] CaptureError),
    /// A transcript cannot be read or does not fit the clip.
    #[error("transcript {origin}: {reason}")]
    Transcript {
        /// The file, or `--text`.
        origin: String,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// A clip holds nothing that could be scored.
    #[error("{}: {reason}", path.display())]
    Unscorable {
        /// The clip.
        path: PathBuf,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// Two requests that exclude each other, or a request that this bundle cannot meet.
    #[error("{what}: {reason}")]
    Request {
        /// The option or setting.
        what: String,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// The machine has less memory than the networks need.
    #[error("memory: {reason}; {fix}")]
    Memory {
        /// What is needed and what is there.
        reason: String,
        /// What to do.
        fix: String,
    },
    /// The bundle is not usable.
    #[error("bundle: {0}")]
    Bundle(#[source] ModelError),
    /// Layers of the language model cannot be put on a GPU.
    #[error(transparent)]
    Gpu(ModelError),
    /// A stage failed on an utterance.
    #[error("{source} (stage: {stage})")]
    Stage {
        /// The stage of the pipeline.
        stage: &'static str,
        /// The stage's own error.
        #[source]
        source: ModelError,
    },
    /// A file that the program itself writes cannot be written.
    #[error("{}: cannot write: {source}; check that the folder exists and the disk has room (TMPDIR names another folder)", path.display())]
    Write {
        /// The file, or `stdout`.
        path: PathBuf,
        /// The system's own error.
        #[source]
        source: std::io::Error,
    },
    /// A configuration cannot be used.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The line and key, expected and found, and what to do.
        reason: String,
    },
    /// The control socket cannot be opened.
    #[error("control socket {}: {reason}", path.display())]
    Control {
        /// The socket's file.
        path: PathBuf,
        /// Expected and found, and what to do.
        reason: String,
    },
    /// A thread cannot be started.
    #[error("cannot start the {name} thread: {source}; see `ulimit -u` and the machine's memory")]
    Thread {
        /// The thread.
        name: &'static str,
        /// The system's own error.
        #[source]
        source: std::io::Error,
    },
    /// The sound server would be one over the network, which nothing allows.
    #[error("sound server {server} (named by {origin}) is reached over the network, and nothing that is heard leaves this machine; unset it, or set engine.allow_remote_sound_server = true")]
    RemoteSoundServer {
        /// The server as it is named.
        server: String,
        /// What names it: a variable of the environment, or a key of a file.
        origin: String,
    },
    /// The filter that forbids internet sockets cannot be installed.
    #[error("the filter that forbids internet sockets cannot be installed: {reason}; set engine.socket_filter = false to go without it")]
    SocketFilter {
        /// The system's own reason.
        reason: String,
    },
    /// A part of the program broke down or stood still, so that it ended itself.
    #[error("{thread}: {reason}; start the program anew")]
    Broken {
        /// The thread.
        thread: String,
        /// What happened.
        reason: String,
    },
    /// Nobody reads the output any longer, which ends the session.
    #[error("stdout: {reason}")]
    OutputClosed {
        /// What happened, and why it is the end.
        reason: String,
    },
    /// A recording of a live session cannot be written or replayed.
    #[error("recording {}: {reason}", path.display())]
    Recording {
        /// The recording's folder or a file in it.
        path: PathBuf,
        /// Expected and found, and what to do.
        reason: String,
    },
}

impl RuntimeError {
    /// The process exit code: 2 usage, 3 bad input or configuration, 4 device, 5 bundle, 6 a part of the program broke down or
    /// stood still, 1 anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Request { .. } => 2,
            Self::Clip(error) if matches!(error.kind(), ErrorKind::Device | ErrorKind::Restart) => 4,
            Self::Gpu(_) => 4,
            Self::Broken { .. } => 6,
            Self::Config { .. } | Self::Control { .. } | Self::Recording { .. } | Self::RemoteSoundServer { .. } => 3,
            Self::Clip(_) | Self::Transcript { .. } | Self::Unscorable { .. } => 3,
            // Sound and pictures are finite when they get here, so a number that is not comes from the weights.
            Self::Bundle(_) | Self::Stage { source: ModelError::NotFinite { .. }, .. } => 5,
            Self::Memory { .. }
            | Self::Stage { .. }
            | Self::Write { .. }
            | Self::Thread { .. }
            | Self::SocketFilter { .. }
            | Self::OutputClosed { .. } => 1,
        }
    }

    /// The name of the error's kind, for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Clip(error) if error.kind() == ErrorKind::Device => "device",
            Self::Clip(error) if error.kind() == ErrorKind::Restart => "restart",
            Self::Gpu(_) => "gpu",
            Self::Clip(_) => "clip",
            Self::Config { .. } => "config",
            Self::Control { .. } => "control",
            Self::Thread { .. } => "thread",
            Self::RemoteSoundServer { .. } => "sound_server",
            Self::SocketFilter { .. } => "socket_filter",
            Self::Recording { .. } => "recording",
            Self::Broken { .. } => "broken",
            Self::OutputClosed { .. } => "output_closed",
            Self::Transcript { .. } => "transcript",
            Self::Unscorable { .. } => "unscorable",
            Self::Request { .. } => "request",
            Self::Memory { .. } => "memory",
            Self::Bundle(_) => "bundle",
            Self::Stage { .. } => "stage",
            Self::Write { .. } => "write",
        }
    }

    /// For `map_err` on a stage's result.
    pub fn stage(stage: &'static str) -> impl Fn(ModelError) -> Self {
        move |source| Self::Stage { stage, source }
    }
}
