//! The stage that gives the revised score: text simulated from sound, and fusion again.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mien_models::ModelError;
use mien_models::engine::{forget_scratch, on_own_threads};
use mien_models::tensor::Tensor;
use mien_models::wavlm::WavlmFeatures;

use super::failpoint;
use super::graph::Wiring;
use super::score::{Job, millis, record};
use super::stage::{Stage, Turn};
use super::tape::{TapeItem, UtteranceEntry};
use crate::record::{LlmOutcome, Record};
use crate::scorer::{BundleFacts, Fuser, Reader, Score, TextInput};
use crate::wiping::wipe_stack;
use crate::{Result, RuntimeError};

/// Simulates text, then fuses anew; the same for a live session and its replay.
pub(crate) fn revised_score(
    reader: &mut Reader,
    fuser: &mut Fuser,
    features: &WavlmFeatures,
    faces: &Tensor,
) -> Result<Score> {
    let mut latency = crate::record::Latency::default();
    let start = Instant::now();
    let read = reader.read(&TextInput::Simulate, Some(&features.last))?;
    latency.llm = millis(start);
    let start = Instant::now();
    let (output, mode) = fuser.fuse(Some(features), &read, faces)?;
    latency.fusion = millis(start);
    Ok(Score { output, mode, transcript: read.transcript, latency, notes: read.note.into_iter().collect() })
}

/// The revised record.
pub(crate) fn revised(score: Score, facts: &BundleFacts, entry: &UtteranceEntry) -> Result<Record> {
    let mut entry = entry.clone();
    entry.live.llm = LlmOutcome::Done;
    // What was lost is told once, by the first record.
    entry.dropped.clear();
    record(score, facts, &entry, 2)
}

/// The stage: one thread.
pub(crate) struct ReadStage {
    /// None while the rung has no language model.
    pub(crate) reader: Option<Reader>,
    pub(crate) fuser: Fuser,
    pub(crate) facts: Arc<BundleFacts>,
    pub(crate) wiring: Arc<Wiring>,
    /// The last mute that was seen.
    pub(crate) wiped: u64,
}

impl Stage for ReadStage {
    fn turn(&mut self) -> Turn {
        if self.wiring.wiped_since(&mut self.wiped) {
            if let Err(error) = self.renew() {
                log::error!("{error}");
            }
            on_own_threads(|| {
                forget_scratch();
                wipe_stack();
            });
        }
        let Some(job) = self.wiring.desk.take(Duration::from_millis(200)) else {
            self.swap();
            return if self.wiring.desk.finished() { Turn::Over } else { Turn::Next };
        };
        if !Arc::ptr_eq(&job.facts, &self.facts) {
            self.swap();
        }
        if self.wiring.muted_since(job.mutes) {
            self.wiring.desk.done();
            self.wiring.give_up(&job, LlmOutcome::Muted);
            return Turn::Next;
        }
        // Sound that another bundle heard is of no use to this one.
        let reader = self.reader.as_mut().filter(|_| Arc::ptr_eq(&job.facts, &self.facts));
        let fuser = &mut self.fuser;
        let scored = catch_unwind(AssertUnwindSafe(|| {
            failpoint::here("reading");
            match reader {
                Some(reader) => revised_score(reader, fuser, &job.features, &job.faces).map_err(Some),
                None => Err(None),
            }
        }));
        self.wiring.desk.done();
        if self.wiring.muted_since(job.mutes) && scored.is_ok() {
            self.wiring.give_up(&job, LlmOutcome::Muted);
            return Turn::Next;
        }
        match scored {
            Ok(Ok(score)) => self.finish(score, &job),
            Ok(Err(None)) => self.wiring.give_up(&job, LlmOutcome::Skipped),
            Ok(Err(Some(RuntimeError::Stage { source: ModelError::Cancelled { .. }, .. }))) => {
                self.wiring.give_up(&job, LlmOutcome::Cancelled);
            }
            Ok(Err(Some(error))) => {
                log::error!("{error}");
                self.wiring.give_up(&job, LlmOutcome::Failed);
            }
            Err(panic) => {
                self.wiring.give_up(&job, LlmOutcome::Failed);
                resume_unwind(panic);
            }
        }
        Turn::Next
    }

    fn renew(&mut self) -> Result<()> {
        self.reader.as_mut().map_or(Ok(()), Reader::renew)?;
        self.fuser.renew()
    }
}

impl ReadStage {
    /// Takes over a newly loaded bundle.
    fn swap(&mut self) {
        let Some((reader, fuser, facts)) = self.wiring.take_reader() else { return };
        (self.reader, self.fuser, self.facts) = (reader, fuser, facts);
        self.set_cancel();
    }

    /// Its work is cancelled when it takes too long.
    pub(crate) fn set_cancel(&self) {
        if let Some(reader) = &self.reader {
            self.wiring.desk.set_cancel(reader.cancel_handle());
        }
    }

    fn finish(&self, score: Score, job: &Job) {
        match revised(score, &job.facts, &job.entry) {
            Ok(mut record) => {
                if let Some(latency) = &mut record.latency_ms {
                    latency.since_end = Some(millis(job.decided));
                }
                let item = || TapeItem::Llm { utterance: job.entry.live.utterance, outcome: LlmOutcome::Done };
                if !self.wiring.emit_unless_muted(job.mutes, record, item) {
                    self.wiring.give_up(job, LlmOutcome::Muted);
                }
            }
            Err(error) => {
                log::error!("{error}");
                self.wiring.give_up(job, LlmOutcome::Failed);
            }
        }
    }
}
