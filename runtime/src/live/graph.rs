//! The stage graph on one page: threads, what goes between them, how much may wait, and what gives way.
//!
//! | from | to | what | at most | when full |
//! |---|---|---|---|---|
//! | audio callback | listen | blocks of 256 samples | [`RING_BLOCKS`] - 1 (1.3 s at 48 kHz) | newest lost, counted as `samples` |
//! | camera thread | faces | undecoded pictures | `faces::PICTURES` | oldest lost, counted as `pictures` |
//! | faces | faces | faces not yet embedded | `faces::CROPS` | oldest lost, counted as `faces` while somebody speaks |
//! | faces | score | rows of the utterance | `faces::ROWS` | oldest lost, counted as `faces` |
//! | listen | score | utterances | [`UTTERANCES`] | newest lost, counted as `utterances` |
//! | score | read | utterances for the language model | 1 in work, 1 waiting | the waiting one is scored without text and says so |
//! | score, read | output | records and events | [`OUTPUTS`] | newest lost, counted as `records` |
//! | output | stdout's, stderr's writer | lines | 1024, 4 MiB | newest lost, counted as `lines`, told once it is read again |
//! | all | recording | steps | 512 | the recording ends and says so; scoring goes on |
//!
//! ```text
//! microphone ─ring─▶ listen ──utterances──▶ score ──────────────▶ output (revision 1)
//!                      │ speaking since       ▲ │ desk
//! camera ─────▶ faces ◀┘ ─────face rows───────┘ └──▶ read ──────▶ output (revision 2)
//! ```
//! The supervisor opens and closes the devices and looks after the desk's time limits. MA-Net runs while the person speaks; when speech
//! ends, WavLM and fusion remain for the first score, projector and language model for the revised one.
//!
//! [`RING_BLOCKS`]: mien_capture::device::RING_BLOCKS

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use mien_capture::SessionClock;
use mien_capture::device::{DeviceKind, DeviceState};

use super::board::Board;
use super::desk::Desk;
use super::event::{Event, What};
use super::faces::FaceInbox;
use super::level::Loudness;
use super::listen::{Tell, Tellings};
use super::losses::{Loss, Losses};
use super::queue::Queue;
use super::reload::Outcome;
use super::score::{Ended, Job, unrevised};
use super::supervisor::Supervisor;
use super::tape::{Tape, TapeItem};
use super::watch::Fault;
use crate::record::{BundleMark, LiveMark, LlmOutcome, Record};
use crate::scorer::{BundleFacts, Fuser, Networks, Reader};

/// Utterances that wait for the scorer.
pub const UTTERANCES: usize = 8;
/// Records and events that wait for output.
pub const OUTPUTS: usize = 128;

/// What leaves the pipeline.
#[derive(Clone, Debug)]
pub enum Output {
    /// A score.
    Record(Box<Record>),
    /// Something else that happened.
    Event(Event),
}

/// A newly loaded bundle on its way into the stages.
pub(crate) struct Swap {
    pub(crate) networks: Networks,
    /// Told once it is in use, or why it is not.
    pub(crate) done: Outcome,
}

/// What reads, if anything does, with what goes with it.
type NewReader = (Option<Reader>, Fuser, Arc<BundleFacts>);

/// The edges of the graph: every queue, and what all stages share.
pub(crate) struct Wiring {
    pub(crate) clock: SessionClock,
    pub(crate) tellings: Tellings,
    pub(crate) faces: Option<Arc<FaceInbox>>,
    pub(crate) utterances: Queue<Ended, UTTERANCES>,
    pub(crate) desk: Desk<Job>,
    pub(crate) outputs: Queue<Output, OUTPUTS>,
    pub(crate) board: Arc<Board>,
    pub(crate) losses: Arc<Losses>,
    pub(crate) tape: Option<Arc<Tape>>,
    pub(crate) supervisor: OnceLock<Supervisor>,
    pub(crate) listening_ended: AtomicBool,
    pub(crate) swap: Mutex<Option<Swap>>,
    pub(crate) new_reader: Mutex<Option<NewReader>>,
    pub(crate) facts: Mutex<Arc<BundleFacts>>,
    pub(crate) speech: crate::config::SpeechSettings,
    /// How often everything heard and seen was to be thrown away.
    pub(crate) wipes: AtomicU64,
    /// Why the session cannot go on.
    pub(crate) fatal: OnceLock<Fault>,
    /// Numbers records and keeps them in the order of their numbers.
    pub(crate) seq: Mutex<u64>,
}

impl Wiring {
    /// Sends a record out.
    pub(crate) fn emit(&self, record: Record) {
        self.send(&mut self.seq.lock().unwrap_or_else(PoisonError::into_inner), record);
    }

    /// Sends out the record of an utterance that was heard before the mute number `mutes` + 1, and takes down `item` before it;
    /// `false`, and nothing is done, where that mute has come. So no score follows a mute's event.
    pub(crate) fn emit_unless_muted(&self, mutes: u64, record: Record, item: impl FnOnce() -> TapeItem) -> bool {
        let mut seq = self.seq.lock().unwrap_or_else(PoisonError::into_inner);
        if self.muted_since(mutes) {
            return false;
        }
        self.tape(item);
        self.send(&mut seq, record);
        true
    }

    /// From now on nothing that was heard before is scored; gives the mute's number.
    pub(crate) fn begin_mute(&self) -> u64 {
        // Whoever emits has the lock from its look at this number to its record.
        let _seq = self.seq.lock().unwrap_or_else(PoisonError::into_inner);
        self.wipes.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Whether what was heard after `mutes` mutes is to be thrown away.
    pub(crate) fn muted_since(&self, mutes: u64) -> bool {
        self.wipes.load(Ordering::Acquire) != mutes
    }

    fn send(&self, seq: &mut u64, mut record: Record) {
        record.seq = *seq;
        self.board.record(&record);
        let record = Box::new(record);
        let taped = record.clone();
        if self.outputs.push(Output::Record(record)).is_some() {
            self.losses.add(Loss::Records, 1);
            return;
        }
        self.tape(|| TapeItem::Record(taped));
        *seq += 1;
    }

    /// Sends an event out.
    pub(crate) fn event(&self, what: What) {
        let event = Event { time_s: self.clock.now().as_secs_f64(), what };
        if self.outputs.push(Output::Event(event)).is_some() {
            self.losses.add(Loss::Records, 1);
        }
    }

    /// A thread broke down or stands still; where it does not go on, neither does the session.
    pub(crate) fn broke(&self, thread: &str, reason: &str, restarted: bool) {
        if !restarted {
            let fault = Fault { thread: thread.to_owned(), reason: reason.to_owned() };
            if self.fatal.set(fault).is_err() {
                return;
            }
        }
        let end = if restarted { "" } else { "; the session ends" };
        log::error!("{thread}: {reason}{end}");
        self.event(What::Fault { thread: thread.to_owned(), reason: reason.to_owned(), restarted });
    }

    /// Whether what was heard and seen is to be thrown away; `seen` is what this said to the asker last.
    pub(crate) fn wiped_since(&self, seen: &mut u64) -> bool {
        let now = self.wipes.load(Ordering::Acquire);
        std::mem::replace(seen, now) != now
    }

    /// Takes down a step, if there is a recording.
    pub(crate) fn tape(&self, item: impl FnOnce() -> TapeItem) {
        if let Some(tape) = self.tape.as_ref().filter(|t| t.ended().is_none()) {
            tape.put(item());
        }
    }

    /// The state of the pipeline for a record.
    pub(crate) fn mark(&self, utterance: u64, loudness: &Loudness) -> LiveMark {
        let state = |kind| self.supervisor.get().map_or(DeviceState::Closed, |s| s.status(kind).state);
        LiveMark {
            utterance,
            microphone: state(DeviceKind::Microphone),
            camera: state(DeviceKind::Camera),
            muted: self.supervisor.get().is_some_and(Supervisor::muted),
            rms_dbfs: loudness.rms_dbfs,
            peak_dbfs: loudness.peak_dbfs,
            clipped: loudness.clipped,
            llm: LlmOutcome::Off,
        }
    }

    /// The language model's part of an utterance came to nothing.
    pub(crate) fn give_up(&self, job: &Job, outcome: LlmOutcome) {
        self.tape(|| TapeItem::Llm { utterance: job.entry.live.utterance, outcome });
        let mut record = unrevised(&job.first, outcome);
        if let Some(latency) = &mut record.latency_ms {
            latency.since_end = Some(super::score::millis(job.decided));
        }
        self.emit(record);
    }

    /// Whether no more utterances come.
    pub(crate) fn listening_ended(&self) -> bool {
        self.listening_ended.load(Ordering::Acquire) && self.utterances.is_empty()
    }

    /// Lays down a newly loaded bundle for the scorer.
    pub(crate) fn lay_swap(&self, swap: Swap) {
        *self.swap.lock().unwrap_or_else(PoisonError::into_inner) = Some(swap);
    }

    /// A newly loaded bundle, if one waits.
    pub(crate) fn take_swap(&self) -> Option<Swap> {
        self.swap.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Lays down the reading half of a newly loaded bundle.
    pub(crate) fn swap_reader(&self, reader: Option<Reader>, fuser: Fuser, facts: &Arc<BundleFacts>) {
        let mut slot = self.new_reader.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some((reader, fuser, Arc::clone(facts)));
    }

    /// The reading half of a newly loaded bundle, if one waits.
    pub(crate) fn take_reader(&self) -> Option<NewReader> {
        self.new_reader.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Another bundle is in use.
    pub(crate) fn new_settings(&self, facts: &Arc<BundleFacts>) {
        let before = self.facts();
        if let Some(tape) = self.tape.as_ref().filter(|_| (&facts.mark, facts.rung) != (&before.mark, before.rung)) {
            // A replay runs on one bundle and one rung.
            tape.end("another bundle or rung came into use; a new recording holds what follows");
        }
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(facts);
        let _ = self.tellings.push(Tell::Settings(self.speech.segment(facts)));
    }

    /// The bundle in use.
    pub(crate) fn facts(&self) -> Arc<BundleFacts> {
        Arc::clone(&self.facts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The bundle in use, as records name it.
    pub(crate) fn bundle(&self) -> BundleMark {
        self.facts().mark.clone()
    }
}
