//! What scoring an utterance gives, and its record.

use mien_capture::Span;
use mien_models::fusion::FusionOutput;

use super::BundleFacts;
use crate::mode::{Mode, TextMode};
use crate::record::{Latency, ModalityWeights, Record, SCHEMA};

/// The score of one utterance.
#[derive(Clone, Debug)]
pub struct Score {
    /// Valence, weights and vectors.
    pub output: FusionOutput,
    /// Which modalities took part.
    pub mode: Mode,
    /// The given or generated text.
    pub transcript: Option<String>,
    /// Wall-clock time per stage.
    pub latency: Latency,
    /// What a reader of the score should know.
    pub notes: Vec<String>,
}

impl Score {
    /// The record of this score.
    pub fn into_record(self, facts: &BundleFacts, seq: u64, file: &str, span: Span) -> Record {
        let [audio, text, video] = self.output.modality_weights;
        Record {
            schema: SCHEMA,
            seq,
            revision: if self.mode.text == TextMode::Absent { 1 } else { 2 },
            file: file.into(),
            start_s: span.start().as_secs_f64(),
            end_s: span.end().as_secs_f64(),
            valence: Some(self.output.valence),
            interval90: facts
                .manifest
                .interval90(&self.mode.name())
                .map(|half| [self.output.valence - half, self.output.valence + half]),
            mode: Some(self.mode),
            rung: facts.rung,
            weights: Some(ModalityWeights { audio, text, video }),
            views: Some(self.output.view_weights),
            transcript: self.transcript,
            latency_ms: Some(self.latency),
            live: None,
            bundle: facts.mark.clone(),
            dropped: Default::default(),
            notes: self.notes,
        }
    }
}
