//! What lies in a recording's files.

use std::path::{Path, PathBuf};

use mien_capture::device::PixelFormat;
use serde::{Deserialize, Serialize};

use crate::RuntimeError;
use crate::config::{LlmSettings, SpeechSettings};
use crate::live::tape::UtteranceEntry;
use crate::record::{BundleMark, LlmOutcome};
use crate::rung::Rung;

/// Version of the files; a change that a replay would have to know of raises it.
pub const VERSION: u32 = 1;
/// The header.
pub const HEADER: &str = "recording.json";
/// The steps.
pub const STEPS: &str = "steps.jsonl";
/// The sound.
pub const SOUND: &str = "sound.wav";
/// The pictures.
pub const PICTURES: &str = "pictures.bin";
/// The records.
pub const RECORDS: &str = "records.jsonl";

/// What the session ran on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// Version of the program.
    pub mien: String,
    /// The bundle; a replay needs the same one.
    pub bundle: BundleMark,
    /// Where utterances begin and end.
    pub speech: SpeechSettings,
    /// The language model.
    pub llm: LlmSettings,
    /// Which of the bundle's networks were loaded; where it is missing, all that the language model's settings want.
    #[serde(default)]
    pub rung: Option<Rung>,
}

/// One line of the steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// A stream of sound began.
    Begin {
        /// When, in nanoseconds of the session.
        time_ns: u64,
    },
    /// The next samples of the sound file.
    Sound {
        /// How many.
        samples: u32,
    },
    /// The stream's beginning was moved.
    Move {
        /// To when, in nanoseconds of the session.
        time_ns: u64,
    },
    /// The stream ended; an utterance under way counts.
    End,
    /// The stream was thrown away.
    Forget,
    /// A picture was looked at.
    Picture {
        /// Its number, from 0 without gaps.
        number: u64,
        /// When it was taken, in nanoseconds of the session.
        time_ns: u64,
        /// How to read it.
        format: PixelFormat,
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// Its first byte in the file of pictures.
        offset: u64,
        /// How many bytes.
        bytes: u32,
    },
    /// The followed face was forgotten.
    ForgetFaces,
    /// An utterance was scored the first time.
    Utterance(UtteranceEntry),
    /// The language model's part of an utterance ended.
    Llm {
        /// The utterance.
        utterance: u64,
        /// How.
        outcome: LlmOutcome,
    },
    /// A record went out.
    Record {
        /// Its number.
        seq: u64,
        /// The utterance.
        utterance: u64,
        /// First or revised.
        revision: u8,
    },
}

/// For `map_err`: a file of a recording that cannot be read or written.
pub(super) fn failed(
    folder: &Path,
    file: &str,
    what: &'static str,
) -> impl Fn(&dyn std::fmt::Display) -> RuntimeError + use<> {
    let path: PathBuf = folder.join(file);
    move |error| RuntimeError::Recording { path: path.clone(), reason: format!("{what}: {error}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_from_before_there_were_rungs_is_read() {
        let header = Header {
            version: VERSION,
            mien: "0.1.0".into(),
            bundle: BundleMark { name: "b".into(), digest: "d".into(), trained: false, statement: None },
            speech: SpeechSettings::default(),
            llm: LlmSettings::default(),
            rung: Some(Rung::AudioOnly),
        };
        let mut value = serde_json::to_value(&header).unwrap();
        assert_eq!(value["rung"], "audio-only");
        value.as_object_mut().unwrap().remove("rung");
        let old: Header = serde_json::from_value(value).unwrap();
        assert_eq!(old, Header { rung: None, ..header });
    }
}
