//! What a live session hands to its recording.
//!
//! Only what decides a score is taken down: the sound as the segmenter took it, the pictures as the face finder took them,
//! and the decisions that depended on time. Everything else follows from these by the same code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use mien_capture::Timestamp;
use mien_capture::device::RawPicture;
use serde::{Deserialize, Serialize};

use super::hearing::HearingStep;
use super::queue::{Overflow, Queue};
use crate::config::{LlmSettings, SpeechSettings};
use crate::record::{LiveMark, LlmOutcome, Record};
use crate::scorer::BundleFacts;

/// Steps that may wait for the disk: some seconds.
const ITEMS: usize = 512;

/// One step of a session.
#[derive(Clone)]
pub enum TapeItem {
    /// The networks are loaded: what the session runs on.
    Opening(Box<Opening>),
    /// What hearing took.
    Hearing(HearingStep),
    /// A picture that was looked at; numbered from 0 without gaps.
    Picture {
        /// Its number.
        number: u64,
        /// As the camera gave it.
        picture: RawPicture,
    },
    /// The followed face was forgotten before the next picture.
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
    Record(Box<Record>),
}

/// What a session runs on.
#[derive(Clone)]
pub struct Opening {
    /// The bundle.
    pub facts: Arc<BundleFacts>,
    /// Where utterances begin and end.
    pub speech: SpeechSettings,
    /// The language model.
    pub llm: LlmSettings,
}

/// What the score of an utterance depends on beside sound and pictures, and what its records say of the moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UtteranceEntry {
    /// Its start in nanoseconds of the session.
    pub start_ns: u64,
    /// Its end in nanoseconds of the session.
    pub end_ns: u64,
    /// Numbers of the pictures whose faces became its rows, in order.
    pub faces: Vec<u64>,
    /// The state of the pipeline.
    pub live: LiveMark,
    /// What was lost since the utterance before.
    pub dropped: BTreeMap<String, u64>,
    /// What a reader of the score should know.
    pub notes: Vec<String>,
    /// Why it has no score, where scoring it failed.
    pub failure: Option<String>,
}

impl UtteranceEntry {
    /// Start and end.
    pub fn times(&self) -> (Timestamp, Timestamp) {
        (Timestamp::from_nanos(self.start_ns), Timestamp::from_nanos(self.end_ns))
    }
}

/// The way to the recording: a bounded queue. A recording with a hole would replay to other scores, so the first loss ends
/// it; scoring goes on.
pub struct Tape {
    folder: PathBuf,
    queue: Queue<TapeItem, ITEMS>,
    ended: OnceLock<String>,
    /// Since when the disk has been at one step.
    busy: Mutex<Option<Instant>>,
}

impl Tape {
    /// A tape whose steps go into `folder`.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            queue: Queue::new(Overflow::Refuse),
            ended: OnceLock::new(),
            busy: Mutex::default(),
        }
    }

    /// Where the steps go.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Hands over one step; never waits. After the end every further step is ignored.
    pub fn put(&self, item: TapeItem) {
        if self.ended().is_none() && self.queue.push(item).is_some() {
            self.end("the disk is slower than the session, so a part was lost; use a faster one");
        }
    }

    /// The next step, waiting at most `limit`.
    pub fn next(&self, limit: Duration) -> Option<TapeItem> {
        self.queue.pop_wait(limit)
    }

    /// The disk begins with a step, or is done with it.
    pub(crate) fn busy(&self, busy: bool) {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner) = busy.then(Instant::now);
    }

    /// Steps that wait, and since when the disk has been at the one that it is at: changes with every step.
    pub(crate) fn progress(&self) -> (usize, Option<Instant>) {
        (self.queue.len(), *self.busy.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends a recording whose disk has been at one step for longer than `limit`; scoring goes on.
    pub(crate) fn end_if_still(&self, limit: Duration) {
        if self.ended().is_none() && self.progress().1.is_some_and(|since| since.elapsed() > limit) {
            self.end("the disk stands still; see the kernel's log");
            while self.queue.pop().is_some() {}
        }
    }

    /// Ends the recording; the first reason counts.
    pub fn end(&self, reason: &str) {
        let _ = self.ended.set(reason.to_owned());
    }

    /// Why the recording has ended, if it has.
    pub fn ended(&self) -> Option<&str> {
        self.ended.get().map(String::as_str)
    }
}
