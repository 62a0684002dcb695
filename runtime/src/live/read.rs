//! The stage that gives the revised score: text simulated from sound, and fusion again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mien_models::ModelError;
use mien_models::tensor::Tensor;
use mien_models::wavlm::WavlmFeatures;

use super::graph::Wiring;
use super::score::{Job, millis, record};
use super::tape::{TapeItem, UtteranceEntry};
use crate::record::{LlmOutcome, Record};
use crate::scorer::{BundleFacts, Fuser, Reader, Score, TextInput};
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
}

impl ReadStage {
    /// Works until no more utterances come.
    pub(crate) fn run(mut self, beat: impl Fn()) {
        self.set_cancel();
        loop {
            beat();
            let Some(job) = self.wiring.desk.take(Duration::from_millis(200)) else {
                self.swap();
                if self.wiring.desk.finished() {
                    return;
                }
                continue;
            };
            if !Arc::ptr_eq(&job.facts, &self.facts) {
                self.swap();
            }
            // Sound that another bundle heard is of no use to this one.
            let reader = self.reader.as_mut().filter(|_| Arc::ptr_eq(&job.facts, &self.facts));
            let scored = match reader {
                Some(reader) => revised_score(reader, &mut self.fuser, &job.features, &job.faces).map_err(Some),
                None => Err(None),
            };
            self.wiring.desk.done();
            match scored {
                Ok(score) => self.finish(score, &job),
                Err(None) => self.wiring.give_up(&job, LlmOutcome::Skipped),
                Err(Some(RuntimeError::Stage { source: ModelError::Cancelled { .. }, .. })) => {
                    self.wiring.give_up(&job, LlmOutcome::Cancelled);
                }
                Err(Some(error)) => {
                    log::error!("{error}");
                    self.wiring.give_up(&job, LlmOutcome::Failed);
                }
            }
        }
    }

    /// Takes over a newly loaded bundle.
    fn swap(&mut self) {
        let Some((reader, fuser, facts)) = self.wiring.take_reader() else { return };
        (self.reader, self.fuser, self.facts) = (reader, fuser, facts);
        self.set_cancel();
    }

    fn set_cancel(&self) {
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
                self.wiring.tape(|| TapeItem::Llm { utterance: job.entry.live.utterance, outcome: LlmOutcome::Done });
                self.wiring.emit(record);
            }
            Err(error) => {
                log::error!("{error}");
                self.wiring.give_up(job, LlmOutcome::Failed);
            }
        }
    }
}
