//! What happened to the live session beside scores.

use std::path::PathBuf;

use mien_capture::device::{DeviceKind, DeviceState};
use serde::Serialize;

use super::supervisor::DeviceChange;
use crate::record::{BundleMark, SCHEMA};
use crate::rung::Rung;

/// A line of output that is no score.
#[derive(Clone, Debug, Serialize)]
pub struct EventLine {
    /// Version of the fields, shared with records.
    pub schema: u32,
    /// What happened.
    pub event: Event,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// When, in seconds from the start; monotonic.
    pub time_s: f64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

impl Event {
    /// The line of output.
    pub fn line(self) -> EventLine {
        EventLine { schema: SCHEMA, event: self }
    }
}

/// Kinds of events.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// The networks are loaded and the stages run.
    Started {
        /// The bundle in use.
        bundle: BundleMark,
        /// Which of its networks are loaded.
        rung: Rung,
    },
    /// A device changed its state.
    Device {
        /// Which.
        device: DeviceKind,
        /// The state before.
        from: DeviceState,
        /// The state from now on.
        to: DeviceState,
        /// The device's name.
        name: String,
        /// Why, where there is more to say.
        reason: Option<String>,
    },
    /// The devices were closed on request, or may be opened again.
    Mute {
        /// Whether they are to be closed.
        muted: bool,
        /// Whether every device is closed; a hanging driver may keep one, and what that still gives is thrown away.
        closed: bool,
        /// How long closing took, milliseconds.
        closing_ms: f64,
    },
    /// Another bundle is in use, or could not be taken into use.
    Bundle {
        /// The one in use from now on.
        bundle: BundleMark,
        /// Which of its networks are loaded.
        rung: Rung,
        /// Why the new one is not in use.
        refused: Option<String>,
    },
    /// Sound and pictures are being written, or no longer.
    Recording {
        /// Where.
        folder: PathBuf,
        /// Whether they are being written from now on.
        on: bool,
        /// Why it ended, where it ended by itself.
        reason: Option<String>,
    },
    /// A thread broke down or stood still.
    Fault {
        /// The thread.
        thread: String,
        /// What happened.
        reason: String,
        /// Whether it goes on; else the session ends.
        restarted: bool,
    },
    /// Lines before this one that the reader of the output did not take in time.
    Lost {
        /// How many.
        lines: u64,
    },
    /// The session is ending.
    Stopping,
}

impl From<DeviceChange> for What {
    fn from(change: DeviceChange) -> Self {
        let DeviceChange { kind, from, to, device, reason, .. } = change;
        Self::Device { device: kind, from, to, name: device, reason }
    }
}
