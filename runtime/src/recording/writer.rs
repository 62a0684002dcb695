//! A session's steps on their way to the disk.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hound::{SampleFormat, WavSpec, WavWriter};
use serde::Serialize;
use zeroize::Zeroize;

use super::buffered::Buffered;
use super::format::{HEADER, Header, PICTURES, RECORDS, SOUND, STEPS, Step, VERSION, failed};
use crate::live::failpoint;
use crate::live::hearing::HearingStep;
use crate::live::stage::message;
use crate::live::tape::{Opening, Tape, TapeItem};
use crate::record::Record;
use crate::{Result, RuntimeError};

/// What a crash may cost.
const FLUSH: Duration = Duration::from_secs(1);
/// A step that takes so long while the session ends is not waited for.
const STILL: Duration = Duration::from_millis(500);
/// Samples of one line at most: one second.
const LINE_SAMPLES: u32 = 16_000;
/// Samples that a WAV file can hold, with room for its header: 18 hours.
const MOST_SAMPLES: u64 = (u32::MAX as u64 - 1024) / 4;

/// The sound's format: what the segmenter takes, to the last bit.
pub(super) const SPEC: WavSpec =
    WavSpec { channels: 1, sample_rate: 16_000, bits_per_sample: 32, sample_format: SampleFormat::Float };

/// Writes a tape into its folder on a thread of its own.
pub struct TapeWriter {
    tape: Arc<Tape>,
    finishing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TapeWriter {
    /// Makes the folder, readable for its owner alone, and starts writing.
    ///
    /// # Errors
    /// [`RuntimeError::Recording`] for a folder that cannot be made or holds something already; [`RuntimeError::Thread`].
    pub fn start(tape: Arc<Tape>) -> Result<Self> {
        let mut files = Files::create(tape.folder())?;
        let finishing = Arc::new(AtomicBool::new(false));
        let last = Arc::clone(&finishing);
        let shared = Arc::clone(&tape);
        let work = move || {
            let written = catch_unwind(AssertUnwindSafe(|| files.write_all(&tape, &last)));
            let reason = match written {
                Ok(Ok(())) => return,
                Ok(Err(RuntimeError::Recording { path, reason })) => format!("{}: {reason}", path.display()),
                Ok(Err(other)) => other.to_string(),
                Err(panic) => format!("writing it broke down: {}", message(&*panic)),
            };
            tape.end(&reason);
            // Whatever can still be saved.
            tape.busy(true);
            let _ = files.flush();
            tape.busy(false);
        };
        let thread = std::thread::Builder::new()
            .name("recording".into())
            .spawn(work)
            .map_err(|source| RuntimeError::Thread { name: "recording", source })?;
        Ok(Self { tape: shared, finishing, thread: Some(thread) })
    }

    /// Writes what waits, and ends; `beat` is called all the while. Gives whether everything was written: a disk that stands
    /// still is not waited for.
    pub fn finish(mut self, beat: impl Fn()) -> bool {
        self.end(&beat)
    }

    fn end(&mut self, beat: &dyn Fn()) -> bool {
        self.finishing.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return true };
        let mut last = (self.tape.progress(), Instant::now());
        while !thread.is_finished() {
            let now = self.tape.progress();
            if now != last.0 {
                last = (now, Instant::now());
            } else if last.1.elapsed() > STILL {
                return false;
            }
            beat();
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = thread.join();
        true
    }
}

impl Drop for TapeWriter {
    fn drop(&mut self) {
        self.end(&|| {});
    }
}

struct Files {
    folder: std::path::PathBuf,
    steps: Buffered,
    sound: WavWriter<Buffered>,
    pictures: Buffered,
    records: Buffered,
    /// Samples written, and how many of them no step tells of yet.
    samples: u64,
    untold: u32,
    /// Bytes of pictures written.
    offset: u64,
}

fn create(folder: &Path, name: &str) -> Result<File> {
    let refuse = failed(folder, name, "cannot make the file");
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(name)).map_err(|e| refuse(&e))
}

impl Files {
    fn create(folder: &Path) -> Result<Self> {
        let refuse = |reason: String| RuntimeError::Recording { path: folder.to_owned(), reason };
        match std::fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
            Ok(false) => {}
            Ok(true) => return Err(refuse("the folder is not empty; name a new one, nothing is written over".into())),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|e| refuse(format!("cannot make the folder: {e}")))?,
            Err(e) => return Err(refuse(format!("cannot be used as a folder: {e}"))),
        }
        let wav = WavWriter::new(Buffered::new(create(folder, SOUND)?), SPEC);
        Ok(Self {
            folder: folder.to_owned(),
            steps: Buffered::new(create(folder, STEPS)?),
            sound: wav.map_err(|e| failed(folder, SOUND, "cannot write")(&e))?,
            pictures: Buffered::new(create(folder, PICTURES)?),
            records: Buffered::new(create(folder, RECORDS)?),
            samples: 0,
            untold: 0,
            offset: 0,
        })
    }

    /// Takes steps until the session ends or the tape does.
    fn write_all(&mut self, tape: &Tape, finishing: &AtomicBool) -> Result<()> {
        let mut flushed = Instant::now();
        loop {
            // Read before the queue: what was put before the end was asked for is still there.
            let last = finishing.load(Ordering::Acquire) || tape.ended().is_some();
            match tape.next(Duration::from_millis(100)) {
                Some(item) => {
                    failpoint::here("recording");
                    tape.busy(true);
                    self.write(item)?;
                }
                None if last => {
                    tape.busy(true);
                    let flushed = self.flush();
                    tape.busy(false);
                    return flushed;
                }
                None => {}
            }
            if flushed.elapsed() > FLUSH {
                tape.busy(true);
                self.flush()?;
                flushed = Instant::now();
            }
            tape.busy(false);
        }
    }

    fn write(&mut self, item: TapeItem) -> Result<()> {
        if matches!(item, TapeItem::Hearing(HearingStep::Forget) | TapeItem::ForgetFaces) {
            // What came before is on its way to the disk, and not in memory.
            self.flush()?;
        }
        let step = match item {
            TapeItem::Opening(opening) => return self.header(&opening),
            TapeItem::Hearing(HearingStep::Sound(samples)) => return self.sound(samples),
            TapeItem::Hearing(HearingStep::Begin(time)) => Step::Begin { time_ns: time.as_nanos() },
            TapeItem::Hearing(HearingStep::Move(time)) => Step::Move { time_ns: time.as_nanos() },
            TapeItem::Hearing(HearingStep::End) => Step::End,
            TapeItem::Hearing(HearingStep::Forget) => Step::Forget,
            TapeItem::Picture { number, mut picture } => {
                let written = self.pictures.write_all(&picture.bytes);
                let bytes = picture.bytes.len() as u32;
                picture.bytes.zeroize();
                written.map_err(|e| self.refuse(PICTURES)(&e))?;
                let offset = self.offset;
                self.offset += u64::from(bytes);
                let (time_ns, format) = (picture.time.as_nanos(), picture.format);
                Step::Picture { number, time_ns, format, width: picture.width, height: picture.height, offset, bytes }
            }
            TapeItem::ForgetFaces => Step::ForgetFaces,
            TapeItem::Utterance(entry) => Step::Utterance(entry),
            TapeItem::Llm { utterance, outcome } => Step::Llm { utterance, outcome },
            TapeItem::Record(record) => {
                let Some(utterance) = record.live.as_ref().map(|live| live.utterance) else { return Ok(()) };
                let step = Step::Record { seq: record.seq, utterance, revision: record.revision };
                let record = Record { latency_ms: None, ..*record };
                line(&mut self.records, &record).map_err(|e| self.refuse(RECORDS)(&e))?;
                step
            }
        };
        self.tell_of_sound()?;
        self.step(&step)
    }

    fn header(&self, opening: &Opening) -> Result<()> {
        let header = Header {
            version: VERSION,
            mien: env!("CARGO_PKG_VERSION").into(),
            bundle: opening.facts.mark.clone(),
            speech: opening.speech.clone(),
            llm: opening.llm.clone(),
            rung: Some(opening.facts.rung),
        };
        let mut file = create(&self.folder, HEADER)?;
        line(&mut file, &header).map_err(|e| self.refuse(HEADER)(&e))
    }

    fn sound(&mut self, mut samples: Vec<f32>) -> Result<()> {
        if self.samples + samples.len() as u64 > MOST_SAMPLES {
            return Err(self.refuse(SOUND)(
                &"18 hours of sound are all that one WAV file holds; start a new recording",
            ));
        }
        let written = samples.iter().try_for_each(|sample| self.sound.write_sample(*sample));
        self.samples += samples.len() as u64;
        self.untold += samples.len() as u32;
        samples.zeroize();
        written.map_err(|e| self.refuse(SOUND)(&e))?;
        if self.untold >= LINE_SAMPLES { self.tell_of_sound() } else { Ok(()) }
    }

    fn tell_of_sound(&mut self) -> Result<()> {
        match std::mem::take(&mut self.untold) {
            0 => Ok(()),
            samples => self.step(&Step::Sound { samples }),
        }
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        line(&mut self.steps, step).map_err(|e| self.refuse(STEPS)(&e))
    }

    fn flush(&mut self) -> Result<()> {
        // Steps last: they tell of nothing that is not there.
        self.sound.flush().map_err(|e| self.refuse(SOUND)(&e))?;
        self.pictures.flush().map_err(|e| self.refuse(PICTURES)(&e))?;
        self.tell_of_sound()?;
        self.steps.flush().map_err(|e| self.refuse(STEPS)(&e))?;
        self.records.flush().map_err(|e| self.refuse(RECORDS)(&e))
    }

    fn refuse(&self, file: &str) -> impl Fn(&dyn std::fmt::Display) -> RuntimeError + use<> {
        failed(&self.folder, file, "cannot write")
    }
}

fn line(to: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *to, value)?;
    to.write_all(b"\n")
}
