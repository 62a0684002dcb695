//! The output record: one JSON line per score, schema version 1.

use serde::{Deserialize, Serialize};

use crate::mode::Mode;
use crate::rung::Rung;
use mien_capture::device::DeviceState;

/// Version of the record's fields; additions keep it, changes raise it.
pub const SCHEMA: u32 = 1;

/// One score of one utterance, or the statement that a stretch of a clip holds nothing to score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Number of the record in this run, from 0, without gaps.
    pub seq: u64,
    /// 1: without the language model; 2: with it.
    pub revision: u8,
    /// The clip, as it was named on the command line; "live" for devices.
    pub file: String,
    /// Start of the utterance, seconds from the clip's start.
    pub start_s: f64,
    /// End of the utterance, seconds from the clip's start.
    pub end_s: f64,
    /// Valence, nominal range [-3, 3], not clamped; null when there was nothing to score.
    pub valence: Option<f32>,
    /// 90 % interval of the valence in this mode, if the bundle carries one.
    pub interval90: Option<[f32; 2]>,
    /// Which modalities took part; null when there was nothing to score.
    pub mode: Option<Mode>,
    /// Which networks were loaded.
    pub rung: Rung,
    /// The three AFG weights (spec section 3.4): not normalised, sign free.
    pub weights: Option<ModalityWeights>,
    /// Weights of the seven views atv, at, tv, av, a, t, v (spec section 3.7): not normalised, sign free.
    pub views: Option<[f32; 7]>,
    /// The given transcript, or what the language model wrote from sound.
    pub transcript: Option<String>,
    /// Wall-clock time of each stage; null unless asked for, so that equal runs give equal bytes.
    pub latency_ms: Option<Latency>,
    /// The state of the live pipeline; left out for recordings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveMark>,
    /// The weights that made the score.
    pub bundle: BundleMark,
    /// Data that was lost on the way since the record before, by stage; always empty for files.
    pub dropped: std::collections::BTreeMap<String, u64>,
    /// What a reader of the score should know ("no speech", an empty generation).
    pub notes: Vec<String>,
}

/// AFG weights by modality.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ModalityWeights {
    /// w_a.
    pub audio: f32,
    /// w_t.
    pub text: f32,
    /// w_v.
    pub video: f32,
}

/// Wall-clock milliseconds per stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Speech segmentation of the whole clip.
    pub segment: f64,
    /// WavLM.
    pub wavlm: f64,
    /// Face search and MA-Net over all frames.
    pub manet: f64,
    /// Projector and language model.
    pub llm: f64,
    /// UMCA and MIA.
    pub fusion: f64,
    /// From the decision that the speech has ended to this record; left out for recordings. The stages' times are no parts
    /// of it: faces are worked off while the person speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_end: Option<f64>,
}

/// How the live pipeline stood when an utterance ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveMark {
    /// Number of the utterance, from 0; its first and its revised score share it.
    pub utterance: u64,
    /// The microphone.
    pub microphone: DeviceState,
    /// The camera.
    pub camera: DeviceState,
    /// Whether the devices are closed on request.
    pub muted: bool,
    /// Root mean square of the utterance in dB below full scale.
    pub rms_dbfs: f32,
    /// Largest magnitude of the utterance in dB below full scale.
    pub peak_dbfs: f32,
    /// Samples of the utterance at full scale, in runs of at least three.
    pub clipped: u64,
    /// What became of the language model's part.
    pub llm: LlmOutcome,
}

/// What became of the language model's part of an utterance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LlmOutcome {
    /// There is none, or it is switched off: no revised score follows.
    Off,
    /// It still works; a revised score follows.
    Pending,
    /// It wrote text.
    Done,
    /// It took too long and was stopped; the revised score is the first one.
    Cancelled,
    /// It never began, because it was still busy with earlier utterances; the revised score is the first one.
    Skipped,
    /// It failed; the revised score is the first one.
    Failed,
    /// The session was muted before it began; the revised score is the first one.
    Muted,
}

/// Which bundle made a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleMark {
    /// Name in the manifest.
    pub name: String,
    /// SHA-256 of the manifest, hex.
    pub digest: String,
    /// Whether all of its networks learned.
    pub trained: bool,
    /// What everything made with them must say; left out for trained weights without a statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
}
