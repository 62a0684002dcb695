//! The stage that gives the first score: WavLM on the utterance, the face rows that are there, fusion.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mien_models::engine::{forget_scratch, on_own_threads};
use mien_models::tensor::Tensor;
use mien_models::wavlm::WavlmFeatures;
use zeroize::Zeroize;

use super::faces::FaceRows;
use super::failpoint;
use super::graph::{Swap, Wiring};
use super::hearing::Heard;
use super::losses::Loss;
use super::pulse::Pulse;
use super::stage::{Stage, Turn, message};
use super::tape::{TapeItem, UtteranceEntry};
use crate::record::{Latency, LlmOutcome, Record, SCHEMA};
use crate::scorer::{BundleFacts, Ear, Fuser, Score};
use crate::wiping::wipe_stack;
use crate::{Result, RuntimeError};

/// How long the first score waits for the last faces once sound is done; the face stage has had the whole utterance for
/// them. On a machine that cannot follow the camera, the faces at hand must do.
const FACES_PATIENCE: Duration = Duration::from_millis(100);
/// How long the face under way may take from then on.
const FACES_LIMIT: Duration = Duration::from_secs(2);

/// An utterance that the segmenter has ended.
pub(crate) struct Ended {
    pub(crate) heard: Heard,
    /// When the end was decided.
    pub(crate) decided: Instant,
    /// After how many mutes it was heard.
    pub(crate) mutes: u64,
}

/// An utterance on its way to the language model.
pub(crate) struct Job {
    pub(crate) features: WavlmFeatures,
    pub(crate) faces: Tensor,
    pub(crate) entry: UtteranceEntry,
    pub(crate) first: Record,
    pub(crate) decided: Instant,
    /// After how many mutes it was heard.
    pub(crate) mutes: u64,
    pub(crate) facts: Arc<BundleFacts>,
}

/// The record of an utterance's score.
pub(crate) fn record(score: Score, facts: &BundleFacts, entry: &UtteranceEntry, revision: u8) -> Result<Record> {
    let (start, end) = entry.times();
    let span = mien_capture::Span::new(start, end)?;
    let mut record = score.into_record(facts, 0, "live", span);
    record.revision = revision;
    record.dropped = entry.dropped.clone();
    record.live = Some(entry.live.clone());
    record.notes.extend(entry.notes.iter().cloned());
    Ok(record)
}

/// The record of an utterance whose scoring failed, with the reason.
pub(crate) fn unscored(facts: &BundleFacts, entry: &UtteranceEntry) -> Record {
    let (start, end) = entry.times();
    let mut live = entry.live.clone();
    live.llm = LlmOutcome::Off;
    Record {
        schema: SCHEMA,
        seq: 0,
        revision: 1,
        file: "live".into(),
        start_s: start.as_secs_f64(),
        end_s: end.as_secs_f64(),
        valence: None,
        interval90: None,
        mode: None,
        rung: facts.rung,
        weights: None,
        views: None,
        transcript: None,
        latency_ms: None,
        live: Some(live),
        bundle: facts.mark.clone(),
        dropped: entry.dropped.clone(),
        notes: entry.notes.iter().chain(&entry.failure).cloned().collect(),
    }
}

/// The revised record of an utterance whose text never came: the first one's score.
pub(crate) fn unrevised(first: &Record, outcome: LlmOutcome) -> Record {
    let mut record = first.clone();
    record.revision = 2;
    record.dropped.clear();
    record.notes.push(explain(outcome).into());
    if let Some(live) = &mut record.live {
        live.llm = outcome;
    }
    record
}

/// Why there is no text, in the record's notes.
fn explain(outcome: LlmOutcome) -> &'static str {
    match outcome {
        LlmOutcome::Cancelled => "the language model took too long and was cancelled; this is the first score",
        LlmOutcome::Skipped => "the language model was still busy with earlier utterances; this is the first score",
        LlmOutcome::Muted => "the session was muted before the language model was done; this is the first score",
        LlmOutcome::Off | LlmOutcome::Pending | LlmOutcome::Done | LlmOutcome::Failed => {
            "the language model failed; this is the first score"
        }
    }
}

/// Hears, then fuses with the faces that `faces` gives; the same for a live session and its replay.
pub(crate) fn first_score(
    ear: &mut Ear,
    fuser: &mut Fuser,
    samples: &[f32],
    faces: impl FnOnce() -> FaceRows,
) -> Result<(WavlmFeatures, FaceRows, Score)> {
    let mut latency = Latency::default();
    let start = Instant::now();
    let features = ear.hear(samples)?;
    latency.wavlm = millis(start);
    let start = Instant::now();
    let faces = faces();
    latency.manet = millis(start);
    let start = Instant::now();
    let (output, mode) = fuser.fuse(Some(&features), &fuser.no_text(), &faces.rows)?;
    latency.fusion = millis(start);
    Ok((features, faces, Score { output, mode, transcript: None, latency, notes: Vec::new() }))
}

/// Milliseconds since `start`.
pub(crate) fn millis(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// The stage: one thread.
pub(crate) struct ScoreStage {
    pub(crate) ear: Ear,
    pub(crate) fuser: Fuser,
    pub(crate) facts: Arc<BundleFacts>,
    pub(crate) wiring: Arc<Wiring>,
    pub(crate) pulse: Pulse,
    /// The number of the next utterance.
    pub(crate) utterance: u64,
    /// What was lost up to the last record.
    pub(crate) dropped: BTreeMap<String, u64>,
    /// The last mute that was seen.
    pub(crate) wiped: u64,
}

impl Stage for ScoreStage {
    fn turn(&mut self) -> Turn {
        self.swap();
        if self.wiring.wiped_since(&mut self.wiped) {
            self.wipe();
        }
        let Some(Ended { mut heard, decided, mutes }) = self.wiring.utterances.pop_wait(Duration::from_millis(200))
        else {
            if self.wiring.listening_ended() {
                self.wiring.desk.close();
                return Turn::Over;
            }
            return Turn::Next;
        };
        if self.wiring.muted_since(mutes) {
            heard.samples.zeroize();
            self.wiring.losses.add(Loss::Muted, 1);
            return Turn::Next;
        }
        let mut entry = UtteranceEntry {
            start_ns: heard.span.start().as_nanos(),
            end_ns: heard.span.end().as_nanos(),
            faces: Vec::new(),
            live: self.wiring.mark(self.utterance, &heard.loudness),
            dropped: self.wiring.losses.since(&mut self.dropped),
            notes: Vec::new(),
            failure: None,
        };
        entry.live.llm = if self.facts.rung.has_llm() { LlmOutcome::Pending } else { LlmOutcome::Off };
        self.utterance += 1;
        let scored = catch_unwind(AssertUnwindSafe(|| {
            failpoint::here("scoring");
            self.score(&heard, decided, mutes, &mut entry)
        }));
        let failure = match &scored {
            Ok(scored) => scored.as_ref().err().map(ToString::to_string),
            Err(panic) => Some(format!("scoring it broke down: {}", message(&**panic))),
        };
        if let Some(failure) = failure {
            // It still gets a record, which says why.
            log::error!("{failure}");
            entry.failure = Some(failure);
            let record = unscored(&self.facts, &entry);
            if !self.wiring.emit_unless_muted(mutes, record, || TapeItem::Utterance(entry)) {
                self.wiring.losses.add(Loss::Muted, 1);
            }
        }
        heard.samples.zeroize();
        scored.map_or_else(|panic| resume_unwind(panic), |_| Turn::Next)
    }

    fn renew(&mut self) -> Result<()> {
        self.ear.renew()?;
        self.fuser.renew()
    }
}

impl ScoreStage {
    /// Throws away what utterances left in the networks, on their threads' stacks and in their scratch.
    fn wipe(&mut self) {
        if let Err(error) = self.renew() {
            log::error!("{error}");
        }
        on_own_threads(|| {
            forget_scratch();
            wipe_stack();
        });
    }

    fn score(&mut self, heard: &Heard, decided: Instant, mutes: u64, entry: &mut UtteranceEntry) -> Result<()> {
        // Asked for before the sound is worked on, so that both are done side by side.
        let faces = self.wiring.faces.as_ref().filter(|_| self.facts.rung.has_face());
        let waiting = faces.map(|inbox| inbox.collect(heard.span));
        let width = self.facts.manifest.manet.embedding();
        let pulse = self.pulse.clone();
        let mut late = false;
        let collect = || {
            let none = || FaceRows { numbers: Vec::new(), rows: Tensor::zeros([0, width]) };
            let Some(waiting) = waiting else { return none() };
            match waiting.wait(FACES_PATIENCE, FACES_LIMIT, || pulse.beat()) {
                Some(faces) if faces.numbers.is_empty() => none(),
                Some(faces) => faces,
                None => {
                    late = true;
                    none()
                }
            }
        };
        let (features, faces, mut score) = first_score(&mut self.ear, &mut self.fuser, &heard.samples, collect)?;
        if late {
            entry.notes.push("the faces of this utterance came too late".into());
        }
        entry.faces = faces.numbers;
        score.latency.since_end = Some(millis(decided));
        let first = record(score, &self.facts, entry, 1)?;
        if !self.wiring.emit_unless_muted(mutes, first.clone(), || TapeItem::Utterance(entry.clone())) {
            self.wiring.losses.add(Loss::Muted, 1);
            return Ok(());
        }
        if self.facts.rung.has_llm() {
            let job = Job {
                features,
                faces: faces.rows,
                entry: entry.clone(),
                first,
                decided,
                mutes,
                facts: Arc::clone(&self.facts),
            };
            if let Some(job) = self.wiring.desk.put(job) {
                self.wiring.give_up(&job, LlmOutcome::Skipped);
            }
        }
        Ok(())
    }

    /// Takes over a newly loaded bundle between two utterances.
    fn swap(&mut self) {
        let Some(Swap { networks, done }) = self.wiring.take_swap() else { return };
        failpoint::here("swap");
        if done.given_up() {
            return;
        }
        let outcome = networks.fuser.fork().map(|fuser| {
            if let Some(inbox) = &self.wiring.faces {
                inbox.swap(networks.optics);
            }
            // Without networks for faces the camera is closed.
            if let Some(supervisor) = self.wiring.supervisor.get() {
                supervisor.set_camera_wanted(networks.facts.rung.has_face());
            }
            self.wiring.swap_reader(networks.reader, fuser, &networks.facts);
            self.wiring.new_settings(&networks.facts);
            self.ear = networks.ear;
            self.fuser = networks.fuser;
            self.facts = networks.facts;
        });
        done.tell(outcome.map_err(|e: RuntimeError| e.to_string()));
    }
}
