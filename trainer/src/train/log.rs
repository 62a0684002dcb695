//! The run's log: one JSON line per step and per epoch.
//!
//! Lines hold no time and no machine, so two runs of one experiment write equal logs. A checkpoint holds the log's
//! length; a resumed run cuts off what was written after it, because it will write that again.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use mien_capture::regular;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::report::{EpochDone, StepDone};
use crate::{Result, TrainerError};

/// The file's name in a seed's folder.
pub const FILE: &str = "log.jsonl";
/// Longest log that is read: ten million steps.
const LONGEST: u64 = 8 << 30;
/// Longest line of it; a step's takes some hundred bytes.
const LONGEST_LINE: u64 = 1 << 20;

pub(super) struct Log {
    path: PathBuf,
    out: BufWriter<File>,
    length: u64,
}

impl Log {
    /// Opens the log of `folder` and cuts it to `length` bytes.
    ///
    /// # Errors
    /// Io; Checkpoint when the file is shorter than that.
    pub(super) fn open(folder: &Path, length: u64) -> Result<Self> {
        let path = folder.join(FILE);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| TrainerError::io(&path, "open", e))?;
        let failed = |e| TrainerError::io(&path, "cut", e);
        let found = file.metadata().map_err(failed)?.len();
        if found < length {
            let reason = format!("the log has {found} bytes, expected at least {length}; it was cut, put it back");
            return Err(TrainerError::Checkpoint { path, reason });
        }
        file.set_len(length).map_err(failed)?;
        file.seek(SeekFrom::Start(length)).map_err(failed)?;
        Ok(Self { path, out: BufWriter::new(file), length })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// Io.
    pub(super) fn line(&mut self, line: &impl Serialize) -> Result<()> {
        let failed = |e| TrainerError::io(&self.path, "write", e);
        let mut bytes = serde_json::to_vec(line).map_err(|e| failed(e.into()))?;
        bytes.push(b'\n');
        self.out.write_all(&bytes).map_err(failed)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Brings everything to the disk: the length in bytes.
    ///
    /// # Errors
    /// Io.
    pub(super) fn sync(&mut self) -> Result<u64> {
        let failed = |e| TrainerError::io(&self.path, "write", e);
        self.out.flush().map_err(failed)?;
        self.out.get_ref().sync_data().map_err(failed)?;
        Ok(self.length)
    }
}

/// A run's log, read back. What lines leave out (`batches`, `epochs`) is 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunLog {
    /// Steps in the order taken: 1, 2, ...
    pub steps: Vec<StepDone>,
    /// Epochs in the order trained: 1, 2, ...
    pub epochs: Vec<EpochDone>,
}

impl RunLog {
    /// Reads the log in a seed's `folder`.
    ///
    /// # Errors
    /// Io; Format, with the line's number, for a line that is none of a log, of another seed, or out of its order.
    pub fn read(folder: &Path, seed: u64) -> Result<Self> {
        let path = folder.join(FILE);
        let (file, _) = regular::open(&path, LONGEST).map_err(|e| TrainerError::io(&path, "read", e))?;
        let mut log = Self::default();
        let mut file = BufReader::new(file);
        for place in 0.. {
            let mut line = Vec::new();
            let read = (&mut file).take(LONGEST_LINE).read_until(b'\n', &mut line);
            if read.map_err(|e| TrainerError::io(&path, "read", e))? == 0 {
                break;
            }
            // Bytes that are no text are damage as well, and so is a line without end.
            let taken = match std::str::from_utf8(&line) {
                _ if line.len() as u64 >= LONGEST_LINE => Err(format!("longer than {LONGEST_LINE} bytes")),
                Ok(line) => log.take(line.trim_end_matches(['\n', '\r']), seed),
                Err(e) => Err(e.to_string()),
            };
            taken.map_err(|reason| TrainerError::Format {
                path: path.clone(),
                format: "training log (.jsonl)",
                reason: format!("line {}: {reason}", place + 1),
                fix: "put a whole copy back, or train again into a new folder",
            })?;
        }
        Ok(log)
    }

    /// Takes in one line.
    fn take(&mut self, line: &str, seed: u64) -> std::result::Result<(), String> {
        let value: Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
        let of = if value.get("terms").is_some() {
            let step: StepDone = parsed(value)?;
            expect("step", self.steps.len() as u64 + 1, step.step)?;
            self.steps.push(step);
            step.seed
        } else if value.get("means").is_some() {
            let epoch: EpochDone = parsed(value)?;
            expect("epoch", self.epochs.len() as u64 + 1, epoch.epoch as u64)?;
            self.epochs.push(epoch);
            epoch.seed
        } else {
            return Err("expected a step with its terms or an epoch with its means".into());
        };
        expect("seed", seed, of)
    }
}

fn parsed<T: DeserializeOwned>(value: Value) -> std::result::Result<T, String> {
    serde_json::from_value(value).map_err(|e| e.to_string())
}

fn expect(what: &str, expected: u64, found: u64) -> std::result::Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("expected {what} {expected}, found {found}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: &str =
        r#"{"seed":7,"epoch":1,"batch":1,"step":1,"clips":4,"rate":2e-5,"terms":[3.0,1.0,2.0,0.5,0.25,0.125,4.0]}"#;
    const EPOCH: &str = concat!(
        r#"{"seed":7,"epoch":1,"means":[3.5,1.0,2.0,0.5,0.25,0.125,4.0],"#,
        r#""valid":{"complete":0.9,"missing":1.1},"best":true}"#
    );

    fn read(text: &[u8]) -> Result<RunLog> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        RunLog::read(folder.path(), 7)
    }

    #[test]
    fn lines_written_by_hand_are_read() {
        let log = read(format!("{STEP}\n{EPOCH}\n").as_bytes()).unwrap();
        assert_eq!((log.steps.len(), log.epochs.len()), (1, 1));
        let (step, epoch) = (log.steps[0], log.epochs[0]);
        assert_eq!((step.seed, step.epoch, step.batch, step.step, step.clips, step.rate), (7, 1, 1, 1, 4, 2e-5));
        assert_eq!(step.terms, [3.0, 1.0, 2.0, 0.5, 0.25, 0.125, 4.0]);
        assert_eq!((epoch.means[0], epoch.valid.complete, epoch.valid.missing, epoch.best), (3.5, 0.9, 1.1, true));
    }

    #[test]
    fn what_is_written_reads_back_equal() {
        let folder = tempfile::tempdir().unwrap();
        let (step, epoch): (StepDone, EpochDone) =
            (serde_json::from_str(STEP).unwrap(), serde_json::from_str(EPOCH).unwrap());
        let mut log = Log::open(folder.path(), 0).unwrap();
        log.line(&step).unwrap();
        log.line(&epoch).unwrap();
        log.sync().unwrap();
        assert_eq!(RunLog::read(folder.path(), 7).unwrap(), RunLog { steps: vec![step], epochs: vec![epoch] });
    }

    #[test]
    fn damage_is_told_with_its_line() {
        for (damaged, said) in [
            (format!("{STEP}\n{}", &EPOCH[..40]), "line 2: EOF"),
            (format!("{STEP}\n{STEP}\n"), "line 2: expected step 2, found 1"),
            (format!("{EPOCH}\n{EPOCH}\n"), "line 2: expected epoch 2, found 1"),
            (STEP.replace("\"seed\":7", "\"seed\":8"), "line 1: expected seed 7, found 8"),
            (STEP.replace(",4.0]", "]"), "line 1: invalid length 6"),
            (STEP.replace("\"rate\":2e-5,", ""), "line 1: missing field `rate`"),
            (STEP.replace("3.0,1.0", "null,1.0"), "line 1: invalid type: null"),
            ("[1]\n".into(), "line 1: expected a step"),
            ("\n".into(), "line 1: EOF"),
        ] {
            let error = read(damaged.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(FILE) && error.contains(said), "{error}, expected {said}");
        }
        assert!(read(b"\xff\xfe\n").unwrap_err().to_string().contains("line 1"));
    }
}
