//! The configuration of the live program: a TOML file, every setting with a default.

mod check;
mod keys;
mod read;
mod text;

use std::path::PathBuf;
use std::time::Duration;

use mien_capture::device::PixelFormat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::live::supervisor::DeviceLimits;
use crate::rung::{Demand, LlmUse, Rung, RungSetting, Wish};
use crate::scorer::{BundleFacts, ScorerSettings};
use crate::speech::{DetectorKind, SegmentSettings};

/// Settings of `mien run`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The bundle's folder; without it MIEN_BUNDLE names one, else the built-in pocket bundle serves.
    pub bundle: Option<PathBuf>,
    /// Sound in.
    pub microphone: MicrophoneSettings,
    /// Pictures in.
    pub camera: CameraSettings,
    /// Where an utterance begins and ends.
    pub speech: SpeechSettings,
    /// Text simulated from sound.
    pub llm: LlmSettings,
    /// How the networks are run.
    pub engine: EngineSettings,
    /// Commands from other programs.
    pub control: ControlSettings,
    /// Lines of scores and events.
    pub output: OutputSettings,
}

/// Sound in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MicrophoneSettings {
    /// Whether there is one.
    pub enabled: bool,
    /// Its id or its whole name as `mien devices` shows it; "default" for the system's; "file:PATH" plays a recording again and again.
    pub device: String,
    /// Samples per second to ask the device for; without it the device's own rate, which is then resampled to 16000.
    pub rate_hz: Option<u32>,
    /// Which channels of a microphone array are averaged to one, counted from 0, as `[0]` or `[1, 2]`; without it all of them.
    pub channels: Option<Vec<u16>>,
    /// Length of the driver's buffer in milliseconds, 20 to 500.
    pub buffer_ms: u32,
    /// Longest time for opening, in seconds.
    pub open_s: f64,
    /// Longest time from opening to the first sample, in seconds.
    pub first_samples_s: f64,
    /// Time without a sample after which the microphone counts as stalled, in seconds.
    pub no_samples_s: f64,
}

impl Default for MicrophoneSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            device: "default".into(),
            rate_hz: None,
            channels: None,
            buffer_ms: 100,
            open_s: 5.0,
            first_samples_s: 3.0,
            no_samples_s: 0.75,
        }
    }
}

impl MicrophoneSettings {
    /// The supervisor's deadlines.
    pub fn limits(&self) -> DeviceLimits {
        limits(self.open_s, self.first_samples_s, self.no_samples_s)
    }
}

/// Pictures in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CameraSettings {
    /// Whether there is one.
    pub enabled: bool,
    /// Its id, its whole name or its path as `mien devices` shows it; "auto" for the only one there is; "file:PATH" plays a recording again and again.
    pub device: String,
    /// Pixels in a row to ask for.
    pub width: u32,
    /// Rows to ask for.
    pub height: u32,
    /// Pictures per second to ask for.
    pub fps: u32,
    /// The format to ask for; "auto" takes the first that gives the size.
    pub format: CameraFormat,
    /// How many pictures per second are looked at, 0.1 to 15.
    pub pictures_per_s: f64,
    /// Longest time for opening, in seconds.
    pub open_s: f64,
    /// Longest time from opening to the first picture, in seconds.
    pub first_picture_s: f64,
    /// Time without a picture after which the camera counts as stalled, in seconds.
    pub no_pictures_s: f64,
}

impl Default for CameraSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            device: "auto".into(),
            width: 640,
            height: 480,
            fps: 30,
            format: CameraFormat::Auto,
            pictures_per_s: 10.0,
            open_s: 5.0,
            first_picture_s: 3.0,
            no_pictures_s: 1.5,
        }
    }
}

impl CameraSettings {
    /// The supervisor's deadlines.
    pub fn limits(&self) -> DeviceLimits {
        limits(self.open_s, self.first_picture_s, self.no_pictures_s)
    }
}

/// A camera's format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CameraFormat {
    /// The first that gives the size.
    #[default]
    Auto,
    /// A JPEG file each.
    Mjpeg,
    /// Y U Y V.
    Yuyv,
    /// A plane of Y, one of U V.
    Nv12,
    /// R G B.
    Rgb,
}

impl CameraFormat {
    /// The pixel format to insist on.
    pub fn pixel_format(self) -> Option<PixelFormat> {
        match self {
            Self::Auto => None,
            Self::Mjpeg => Some(PixelFormat::Mjpeg),
            Self::Yuyv => Some(PixelFormat::Yuyv),
            Self::Nv12 => Some(PixelFormat::Nv12),
            Self::Rgb => Some(PixelFormat::Rgb),
        }
    }
}

/// Where an utterance begins and ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpeechSettings {
    /// What tells speech from silence.
    pub detector: SpeechDetector,
    /// Score in (0, 1) at or above which speech starts.
    pub enter: f32,
    /// Score below which a frame counts as silence while speech goes on; less than `enter`.
    pub leave: f32,
    /// Silence after which an utterance is over, in seconds.
    pub hang_over_s: f64,
    /// Sound before the first speech that belongs to the utterance, in seconds.
    pub pre_roll_s: f64,
    /// Sound after the last speech that belongs to the utterance, in seconds.
    pub post_roll_s: f64,
    /// Shorter speech is a click, in seconds.
    pub shortest_s: f64,
}

impl Default for SpeechSettings {
    fn default() -> Self {
        let s = SegmentSettings::default();
        Self {
            detector: SpeechDetector::Network,
            enter: s.enter,
            leave: s.leave,
            hang_over_s: s.hang_over_s,
            pre_roll_s: s.pre_roll_s,
            post_roll_s: s.post_roll_s,
            shortest_s: s.shortest_s,
        }
    }
}

impl SpeechSettings {
    /// The segmenter's settings; the longest utterance is the bundle's.
    pub fn segment(&self, facts: &BundleFacts) -> SegmentSettings {
        SegmentSettings {
            detector: match self.detector {
                SpeechDetector::Network => DetectorKind::Network,
                SpeechDetector::Energy => DetectorKind::Energy,
            },
            enter: self.enter,
            leave: self.leave,
            hang_over_s: self.hang_over_s,
            pre_roll_s: self.pre_roll_s,
            post_roll_s: self.post_roll_s,
            shortest_s: self.shortest_s,
            ..facts.segment_settings()
        }
    }
}

/// What tells speech from silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SpeechDetector {
    /// A small network that tells speech from noise.
    #[default]
    Network,
    /// Loudness against -45 dBFS, for quiet rooms.
    Energy,
}

/// Text simulated from sound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LlmSettings {
    /// Whether each first score is followed by a revised one.
    pub enabled: bool,
    /// Threads; without it all cores but one.
    pub threads: Option<u16>,
    /// Longest text in tokens, sound rows and prompt included.
    pub context: u32,
    /// Layers to put on a GPU, from the end of the model: the output layer is one, each block is one. 0 is the processor alone;
    /// more than the model has (1000 always is) means all. Needs a program built for GPUs; what cannot be put there is an error.
    pub gpu_layers: u32,
    /// How long the next utterance waits behind a slow one before that one is cancelled, in seconds.
    pub waiting_s: f64,
    /// Longest time for one utterance, in seconds.
    pub longest_s: f64,
}

impl Default for LlmSettings {
    fn default() -> Self {
        Self { enabled: true, threads: None, context: 1024, gpu_layers: 0, waiting_s: 2.0, longest_s: 30.0 }
    }
}

/// How the networks are run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EngineSettings {
    /// Threads for matrix products; without it all cores. Scores do not depend on it.
    pub threads: Option<u16>,
    /// Which networks are loaded: "full" for all of them, "no-llm" for voice and face, "audio-only" for voice alone; "auto" takes the highest whose memory is there.
    pub rung: RungSetting,
    /// How long a device that is switched on may give nothing for a reason within this process, in seconds: attempts that hang
    /// in its driver, a library that broke down, no thread to be had. From then on the service manager's watchdog is not
    /// served, so that it starts the service anew. A device that is not plugged in is no such reason.
    pub hung_device_s: f64,
    /// Whether the sound server may be one over the network (PULSE_SERVER=tcp:..., a client.conf or asound.conf that names
    /// one). What is heard then goes over that network, and the process may use internet sockets.
    pub allow_remote_sound_server: bool,
    /// Whether a filter of system calls keeps this process from making any socket but those within this machine; no effect
    /// where allow_remote_sound_server is true.
    pub socket_filter: bool,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            threads: None,
            rung: RungSetting::default(),
            hung_device_s: 60.0,
            allow_remote_sound_server: false,
            socket_filter: true,
        }
    }
}

/// Commands from other programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ControlSettings {
    /// A socket file that takes the commands mute, unmute, toggle, status, reload and stop; without it there is none.
    pub socket: Option<PathBuf>,
}

/// Lines of scores and events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutputSettings {
    /// When the reader of stdout goes away: "continue" goes on and counts the lines that nobody took; "stop" ends the session with exit code 1.
    pub on_closed: OnClosed,
}

/// What follows when the reader of stdout goes away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnClosed {
    /// The session goes on.
    #[default]
    Continue,
    /// The session ends with an error.
    Stop,
}

impl Config {
    /// Which networks are wanted. Without a camera there is nothing for those for faces to do, so without a language model
    /// either the rung is that of voice alone.
    pub fn wish(&self) -> Wish {
        let llm = if self.llm.enabled { Demand::Wanted } else { Demand::Off("llm.enabled = false (--no-llm)") };
        let face = match (self.microphone.enabled, self.camera.enabled) {
            (true, true) => Demand::Wanted,
            (_, false) => Demand::Off("camera.enabled = false (--no-camera)"),
            (false, true) => Demand::Needed("microphone.enabled = false (--no-microphone)"),
        };
        Wish { setting: self.engine.rung, llm, face }
    }

    /// How the networks of `rung` are to be loaded.
    pub fn scorer_settings(&self, rung: Rung) -> ScorerSettings {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        ScorerSettings {
            threads: self.engine.threads.map_or(cores, usize::from),
            llm_threads: self.llm.threads.map_or(cores.saturating_sub(1).max(1), usize::from),
            llm_context: self.llm.context as usize,
            gpu_layers: self.llm.gpu_layers,
            rung,
        }
    }

    /// How the language model is to be run, as far as memory depends on it.
    pub fn llm_use(&self) -> LlmUse {
        self.scorer_settings(Rung::Full).llm_use()
    }
}

/// Checked numbers of seconds as the supervisor takes them.
fn limits(open_s: f64, first_s: f64, silent_s: f64) -> DeviceLimits {
    let [open, first, silent] = [open_s, first_s, silent_s].map(Duration::from_secs_f64);
    DeviceLimits { open, first, silent }
}
