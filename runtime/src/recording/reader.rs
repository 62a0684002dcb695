//! A recording's steps from the disk; nothing in it is trusted.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use hound::WavReader;
use mien_capture::device::RawPicture;
use mien_capture::{Timestamp, regular};

use super::format::{HEADER, Header, PICTURES, RECORDS, SOUND, STEPS, Step, VERSION, failed};
use super::writer::SPEC;
use crate::live::hearing::HearingStep;
use crate::live::tape::UtteranceEntry;
use crate::record::LlmOutcome;
use crate::{Result, RuntimeError};

/// A line is a few hundred bytes, that of an utterance with all its pictures some thousand.
const LONGEST_LINE: u64 = 1 << 20;
/// Largest file of a recording. It is read in pieces; a day of pictures takes half of this.
const LARGEST_FILE: u64 = 4 << 40;
/// Samples in a step at most: a minute.
const MOST_SAMPLES: u32 = 60 * 16_000;
/// Bytes of a picture at most: 8192 x 8192 of brightness.
const MOST_BYTES: u32 = 64 << 20;
/// Pixels in a row or column at most.
const MOST_PIXELS: u32 = 8192;

/// A step with what it brings.
pub(super) enum Played {
    Hearing(HearingStep),
    Picture(u64, RawPicture),
    ForgetFaces,
    Utterance(UtteranceEntry),
    Llm { utterance: u64, outcome: LlmOutcome },
    Record { seq: u64, utterance: u64, revision: u8 },
}

/// A recording being read.
pub struct Recording {
    folder: PathBuf,
    header: Header,
    steps: Steps,
    sound: WavReader<BufReader<File>>,
    pictures: File,
    torn: bool,
}

impl Recording {
    /// Opens the recording in `folder`.
    ///
    /// # Errors
    /// [`RuntimeError::Recording`] naming the file, what was expected and what was found.
    pub fn open(folder: &Path) -> Result<Self> {
        let refuse = failed(folder, HEADER, "cannot be read");
        let text = regular::read(&folder.join(HEADER), LONGEST_LINE).map_err(|e| refuse(&e))?;
        let header: Header = serde_json::from_slice(&text).map_err(|e| refuse(&e))?;
        if header.version != VERSION {
            let reason = format!("version {}, expected {VERSION}; replay it with mien {}", header.version, header.mien);
            return Err(RuntimeError::Recording { path: folder.join(HEADER), reason });
        }
        let sound = WavReader::new(BufReader::new(open(folder, SOUND)?))
            .map_err(|e| failed(folder, SOUND, "cannot be read")(&e))?;
        if sound.spec() != SPEC {
            let reason = format!("{:?}, expected {SPEC:?}; the recording was changed", sound.spec());
            return Err(RuntimeError::Recording { path: folder.join(SOUND), reason });
        }
        let pictures = open(folder, PICTURES)?;
        let steps = Steps::open(folder)?;
        Ok(Self { folder: folder.to_owned(), header, steps, sound, pictures, torn: false })
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the session ran on.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether the end is missing: the session was killed while it wrote.
    pub fn torn(&self) -> bool {
        self.torn || self.steps.torn
    }

    /// Numbers of the pictures whose faces count in some utterance.
    ///
    /// # Errors
    /// As for [`Recording::open`].
    pub fn needed_faces(&self) -> Result<HashSet<u64>> {
        let mut steps = Steps::open(&self.folder)?;
        let mut needed = HashSet::new();
        while let Some(step) = steps.next()? {
            if let Step::Utterance(entry) = step {
                needed.extend(entry.faces);
            }
        }
        Ok(needed)
    }

    /// Reads all steps that are left, with the sound and the pictures that they bring: how many. For whoever only wants to know
    /// whether they can be read.
    ///
    /// # Errors
    /// As for [`Recording::open`].
    #[doc(hidden)]
    pub fn read_through(&mut self) -> Result<u64> {
        let mut steps = 0;
        while self.next()?.is_some() {
            steps += 1;
        }
        Ok(steps)
    }

    /// The records that the live session gave, one JSON object a line, without latencies.
    ///
    /// # Errors
    /// As for [`Recording::open`].
    pub fn records(&self) -> Result<impl Iterator<Item = Result<String>> + use<>> {
        let refuse = failed(&self.folder, RECORDS, "cannot be read");
        let mut file = BufReader::new(open(&self.folder, RECORDS)?);
        let line = move || -> io::Result<Option<String>> {
            let mut bytes = Vec::new();
            (&mut file).take(LONGEST_LINE).read_until(b'\n', &mut bytes)?;
            if bytes.is_empty() {
                return Ok(None);
            }
            if bytes.last() != Some(&b'\n') && bytes.len() as u64 >= LONGEST_LINE {
                return Err(io::Error::other(format!("a line is longer than {LONGEST_LINE} bytes, expected a record")));
            }
            let end = bytes.strip_suffix(b"\n").map_or(bytes.len(), <[u8]>::len);
            bytes.truncate(end);
            String::from_utf8(bytes).map(Some).map_err(io::Error::other)
        };
        Ok(std::iter::repeat_with(line).map_while(io::Result::transpose).map(move |line| line.map_err(|e| refuse(&e))))
    }

    /// The next step.
    pub(super) fn next(&mut self) -> Result<Option<Played>> {
        if self.torn {
            return Ok(None);
        }
        let Some(step) = self.steps.next()? else { return Ok(None) };
        let at = |ns| Timestamp::from_nanos(ns);
        Ok(Some(match step {
            Step::Begin { time_ns } => Played::Hearing(HearingStep::Begin(at(time_ns))),
            Step::Move { time_ns } => Played::Hearing(HearingStep::Move(at(time_ns))),
            Step::End => Played::Hearing(HearingStep::End),
            Step::Forget => Played::Hearing(HearingStep::Forget),
            Step::Sound { samples } => match self.samples(samples)? {
                Some(samples) => Played::Hearing(HearingStep::Sound(samples)),
                None => return Ok(None),
            },
            Step::Picture { number, time_ns, format, width, height, offset, bytes } => {
                if width == 0 || height == 0 || width.max(height) > MOST_PIXELS || bytes > MOST_BYTES {
                    let reason = format!("picture {number} of {width} x {height}, {bytes} bytes, is no camera's");
                    return Err(RuntimeError::Recording { path: self.folder.join(STEPS), reason });
                }
                match self.bytes(offset, bytes)? {
                    Some(bytes) => {
                        Played::Picture(number, RawPicture { format, width, height, bytes, time: at(time_ns) })
                    }
                    None => return Ok(None),
                }
            }
            Step::ForgetFaces => Played::ForgetFaces,
            Step::Utterance(entry) => Played::Utterance(entry),
            Step::Llm { utterance, outcome } => Played::Llm { utterance, outcome },
            Step::Record { seq, utterance, revision } => Played::Record { seq, utterance, revision },
        }))
    }

    fn samples(&mut self, count: u32) -> Result<Option<Vec<f32>>> {
        let refuse = |reason: String| RuntimeError::Recording { path: self.folder.join(SOUND), reason };
        if count > MOST_SAMPLES {
            return Err(refuse(format!("a step of {count} samples, expected {MOST_SAMPLES} at most")));
        }
        let mut samples = Vec::with_capacity(count as usize);
        for sample in self.sound.samples::<f32>().take(count as usize) {
            let sample = sample.map_err(|e| refuse(format!("cannot be read: {e}")))?;
            if !sample.is_finite() {
                return Err(refuse("a sample is not a finite number; the recording was changed".into()));
            }
            samples.push(sample);
        }
        self.torn |= samples.len() < count as usize;
        Ok((!self.torn).then_some(samples))
    }

    fn bytes(&mut self, offset: u64, count: u32) -> Result<Option<Vec<u8>>> {
        let refuse = failed(&self.folder, PICTURES, "cannot be read");
        self.pictures.seek(SeekFrom::Start(offset)).map_err(|e| refuse(&e))?;
        let mut bytes = Vec::new();
        (&self.pictures).take(count.into()).read_to_end(&mut bytes).map_err(|e| refuse(&e))?;
        self.torn |= bytes.len() < count as usize;
        Ok((!self.torn).then_some(bytes))
    }
}

/// Opens the file `name` of a recording.
fn open(folder: &Path, name: &'static str) -> Result<File> {
    let opened = regular::open(&folder.join(name), LARGEST_FILE);
    opened.map(|(file, _)| file).map_err(|e| failed(folder, name, "cannot be read")(&e))
}

/// The lines of the steps.
struct Steps {
    path: PathBuf,
    file: BufReader<File>,
    line: u64,
    torn: bool,
}

impl Steps {
    fn open(folder: &Path) -> Result<Self> {
        let file = open(folder, STEPS)?;
        Ok(Self { path: folder.join(STEPS), file: BufReader::new(file), line: 0, torn: false })
    }

    fn next(&mut self) -> Result<Option<Step>> {
        let refuse = |line: u64, reason: String| RuntimeError::Recording {
            path: self.path.clone(),
            reason: format!("line {line}: {reason}"),
        };
        let mut bytes = Vec::new();
        self.line += 1;
        let read = (&mut self.file).take(LONGEST_LINE).read_until(b'\n', &mut bytes);
        read.map_err(|e| refuse(self.line, e.to_string()))?;
        match bytes.last() {
            None => Ok(None),
            Some(b'\n') => {
                serde_json::from_slice(&bytes).map(Some).map_err(|e| refuse(self.line, format!("no step: {e}")))
            }
            Some(_) if bytes.len() as u64 >= LONGEST_LINE => {
                Err(refuse(self.line, format!("longer than {LONGEST_LINE} bytes, expected a step")))
            }
            Some(_) => {
                self.torn = true;
                Ok(None)
            }
        }
    }
}
