//! A recorded session again: the same code on the same input, one step after the other.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;

use mien_models::tensor::Tensor;
use mien_models::wavlm::WavlmFeatures;

use super::reader::{Played, Recording};
use crate::default_bundle::choose;
use crate::live::faces::FaceRows;
use crate::live::graph::UTTERANCES;
use crate::live::hearing::{Heard, Hearing};
use crate::live::read::{revised, revised_score};
use crate::live::score::{first_score, record, unrevised, unscored};
use crate::live::tape::UtteranceEntry;
use crate::record::{LlmOutcome, Record};
use crate::rung::{Rung, Wish, choose_here};
use crate::scorer::{BundleFacts, Ear, Eye, Fuser, Networks, Reader, ScorerSettings, eye};
use crate::{Result, RuntimeError};

/// Utterances heard and not scored yet: those that waited, the one in work, and those that were lost and stay forever.
const HEARD: usize = 4 * UTTERANCES;

/// A replay under way.
pub struct Replay {
    recording: Recording,
    facts: std::sync::Arc<BundleFacts>,
    hearing: Hearing,
    ear: Ear,
    /// None for a session that heard voices alone.
    eye: Option<Eye>,
    reader: Option<Reader>,
    fuser: Fuser,
    /// Pictures whose faces count.
    needed: HashSet<u64>,
    rows: HashMap<u64, Vec<f32>>,
    heard: VecDeque<Heard>,
    /// Utterances that the language model has not come to.
    reading: HashMap<u64, Reading>,
    /// Records that were made and have not gone out, by utterance and revision.
    made: HashMap<(u64, u8), Record>,
}

struct Reading {
    features: WavlmFeatures,
    faces: Tensor,
    entry: UtteranceEntry,
    first: Record,
}

impl Replay {
    /// Opens the recording in `folder` and loads the bundle that it was made with, with as many layers of the language model
    /// on a GPU as then, or `gpu_layers`: another number gives other digits.
    ///
    /// # Errors
    /// [`RuntimeError::Recording`] for a recording that cannot be read or was made with another bundle; what loading the
    /// bundle raises.
    pub fn open(
        folder: &Path,
        bundle: Option<&Path>,
        settings: &ScorerSettings,
        gpu_layers: Option<u32>,
    ) -> Result<Self> {
        let recording = Recording::open(folder)?;
        let needed = recording.needed_faces()?;
        let header = recording.header();
        let rung = header.rung.unwrap_or(if header.llm.enabled { Rung::Full } else { Rung::NoLlm });
        let settings = ScorerSettings {
            llm_context: header.llm.context as usize,
            gpu_layers: gpu_layers.unwrap_or(header.llm.gpu_layers),
            rung,
            ..*settings
        };
        let chosen = choose(bundle)?;
        let facts = BundleFacts::of(&chosen.bundle);
        if facts.mark.digest != header.bundle.digest {
            let reason = format!(
                "made with bundle {} (sha256 {}), found {} (sha256 {}); name the first one with --bundle",
                header.bundle.name, header.bundle.digest, facts.mark.name, facts.mark.digest
            );
            return Err(RuntimeError::Recording { path: folder.to_owned(), reason });
        }
        choose_here(&facts.manifest, settings.llm_use(), &Wish::exactly(rung))?;
        let Networks { facts, ear, optics, reader, fuser, .. } = Networks::open(&chosen.bundle, &settings)?;
        let hearing = Hearing::new(header.speech.segment(&facts));
        let eye = optics.map(eye).transpose()?;
        Ok(Self {
            recording,
            facts,
            hearing,
            ear,
            eye,
            reader,
            fuser,
            needed,
            rows: HashMap::new(),
            heard: VecDeque::new(),
            reading: HashMap::new(),
            made: HashMap::new(),
        })
    }

    /// The recording.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// What every output of this bundle must say.
    pub fn statement(&self) -> Option<&str> {
        self.facts.statement()
    }

    /// The next record, without latencies; `None` at the end of the recording.
    ///
    /// # Errors
    /// [`RuntimeError::Recording`] for a step that cannot be; [`RuntimeError::Stage`] for one that the live session could
    /// do and this program cannot.
    pub fn next_record(&mut self) -> Result<Option<Record>> {
        while let Some(played) = self.recording.next()? {
            match played {
                Played::Hearing(step) => {
                    self.heard.extend(self.hearing.step(&step)?);
                    let surplus = self.heard.len().saturating_sub(HEARD);
                    self.heard.drain(..surplus).for_each(drop);
                }
                Played::Picture(number, picture) => {
                    // A picture that cannot be decoded was counted live, and its record says so.
                    let Some(eye) = &mut self.eye else { continue };
                    let looked = picture.decode().map_err(RuntimeError::from).and_then(|frame| eye.look(&frame));
                    if let (Ok(Some((_, face))), true) = (looked, self.needed.contains(&number)) {
                        self.rows.insert(number, eye.embed(face)?);
                    }
                }
                Played::ForgetFaces => self.eye.iter_mut().for_each(Eye::forget),
                Played::Utterance(entry) => self.utterance(entry)?,
                Played::Llm { utterance, outcome } => self.read(utterance, outcome)?,
                Played::Record { seq, utterance, revision } => {
                    let Some(record) = self.made.remove(&(utterance, revision)) else {
                        return Err(self.broken(utterance, "went out before it was made"));
                    };
                    return Ok(Some(Record { seq, latency_ms: None, ..record }));
                }
            }
        }
        Ok(None)
    }

    fn utterance(&mut self, entry: UtteranceEntry) -> Result<()> {
        let number = entry.live.utterance;
        if entry.failure.is_some() {
            self.made.insert((number, 1), unscored(&self.facts, &entry));
            return Ok(());
        }
        let (start, end) = entry.times();
        let Some(at) = self.heard.iter().position(|h| h.span.start() == start && h.span.end() == end) else {
            return Err(self.broken(number, "is not in the sound; was it changed?"));
        };
        // What was heard before and not scored was lost or thrown away.
        let Some(heard) = self.heard.drain(..=at).next_back() else { return Ok(()) };
        let mut data = Vec::new();
        for face in &entry.faces {
            let Some(row) = self.rows.remove(face) else {
                return Err(self.broken(number, &format!("counts a face of picture {face}, which shows none")));
            };
            data.extend(row);
        }
        let width = self.facts.manifest.manet.embedding();
        let rows = Tensor::new([entry.faces.len(), width], data).map_err(RuntimeError::stage("MA-Net"))?;
        let faces = FaceRows { numbers: entry.faces.clone(), rows };
        let (features, faces, score) = first_score(&mut self.ear, &mut self.fuser, &heard.samples, || faces)?;
        let first = record(score, &self.facts, &entry, 1)?;
        self.made.insert((number, 1), first.clone());
        if self.reader.is_some() {
            self.reading.insert(number, Reading { features, faces: faces.rows, entry, first });
        }
        Ok(())
    }

    fn read(&mut self, utterance: u64, outcome: LlmOutcome) -> Result<()> {
        let (Some(reading), Some(reader)) = (self.reading.remove(&utterance), &mut self.reader) else {
            return Err(self.broken(utterance, "was read before it was heard"));
        };
        let Reading { features, faces, entry, first } = reading;
        let record = if outcome == LlmOutcome::Done {
            let score = revised_score(reader, &mut self.fuser, &features, &faces)?;
            revised(score, &self.facts, &entry)?
        } else {
            unrevised(&first, outcome)
        };
        self.made.insert((utterance, 2), record);
        Ok(())
    }

    fn broken(&self, utterance: u64, what: &str) -> RuntimeError {
        let path = self.recording.folder().to_owned();
        RuntimeError::Recording { path, reason: format!("utterance {utterance} {what}") }
    }
}
