//! What the live pipeline looks like at a moment, for the terminal view and for status answers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mien_capture::Timestamp;
use serde::Serialize;

use super::supervisor::DeviceStatus;
use crate::record::BundleMark;
use crate::rung::Rung;

/// A snapshot of the live pipeline. Taking one copies small values only and never waits for a stage.
#[derive(Clone, Debug, Serialize)]
pub struct LiveView {
    /// Time since the start.
    pub time_s: f64,
    /// Whether the devices are closed on request.
    pub muted: bool,
    /// Where sound and pictures are being written, if they are.
    pub recording: Option<PathBuf>,
    /// The bundle in use.
    pub bundle: BundleMark,
    /// Which of its networks are loaded.
    pub rung: Rung,
    /// The microphone.
    pub microphone: DeviceStatus,
    /// The camera.
    pub camera: DeviceStatus,
    /// The sound of the last tenth of a second.
    pub level: LevelView,
    /// Whether somebody speaks.
    pub speaking: bool,
    /// The last picture that was looked at.
    pub picture: Option<PictureView>,
    /// The last scores, oldest first.
    pub scores: Vec<ScoreView>,
    /// End of speech to first score over the last utterances.
    pub first_ms: LatencyView,
    /// End of speech to revised score over the last utterances.
    pub revised_ms: LatencyView,
    /// What was lost since the start, by stage.
    pub dropped: BTreeMap<String, u64>,
    /// Queues: name, entries, capacity.
    pub queues: Vec<(&'static str, usize, usize)>,
}

/// The sound level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LevelView {
    /// Root mean square in dB below full scale; -120 for digital silence.
    pub rms_dbfs: f32,
    /// Largest magnitude in dB below full scale; -120 for digital silence.
    pub peak_dbfs: f32,
    /// Samples at full scale in runs of at least three, within the last second.
    pub clipping: bool,
    /// Nothing but silence below -80 dBFS for five seconds of an open microphone: muted in hardware, or broken.
    pub dead: bool,
}

/// The picture and the face in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PictureView {
    /// When it was taken.
    #[serde(skip)]
    pub time: Timestamp,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The face that counts: left, top, width, height in pixels; the left and top may lie outside of the picture.
    pub face: Option<[i64; 4]>,
}

/// A score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScoreView {
    /// Number of the utterance.
    pub utterance: u64,
    /// Start of the utterance.
    pub start_s: f64,
    /// End of the utterance.
    pub end_s: f64,
    /// 1: without the language model; 2: with it.
    pub revision: u8,
    /// Valence, nominally in [-3, 3].
    pub valence: f32,
    /// What took part, for people.
    pub mode: String,
}

/// Percentiles of a latency; zeros while there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LatencyView {
    /// Median in milliseconds.
    pub p50: f64,
    /// 90th percentile in milliseconds.
    pub p90: f64,
    /// 99th percentile in milliseconds.
    pub p99: f64,
    /// How many utterances it is taken over.
    pub count: usize,
}
