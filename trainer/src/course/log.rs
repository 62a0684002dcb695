//! A stage's log: one JSON line for each step, and one for each measure of the validation split.
//!
//! Lines hold no time and no machine, so two trainings of one plan write equal logs, also where one of them was killed:
//! what was written after the checkpoint that a training goes on from is cut off.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Measures;
use crate::desk::Desk;
use crate::{Result, TrainerError, reading};

/// The file's name in a stage's folder.
pub const FILE: &str = "log.jsonl";
/// Longest log that is read: a line for each stretch of steps.
const LONGEST: u64 = 1 << 30;

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) stage: String,
    /// Steps taken, this one included.
    pub(super) step: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) loss: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) valid: Option<Measures>,
}

pub(super) struct StageLog {
    path: PathBuf,
    file: File,
    /// Measures that the log holds, by step.
    measured: Vec<(u64, Measures)>,
}

impl StageLog {
    /// Opens the log in `folder` with what was written up to `step`.
    ///
    /// # Errors
    /// Io; Format for a line that is none of a log.
    pub(super) fn open(folder: &Path, desk: &Desk, step: u64) -> Result<Self> {
        let path = folder.join(FILE);
        let text = match reading::text(&path, LONGEST) {
            Ok(text) => text,
            Err(TrainerError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(e),
        };
        let (mut kept, mut measured) = (String::new(), Vec::new());
        // A line without its end was being written when the training was killed.
        for (place, text) in text.split_inclusive('\n').enumerate().filter(|(_, text)| text.ends_with('\n')) {
            let line: Line = serde_json::from_str(text).map_err(|e| TrainerError::Format {
                path: path.clone(),
                format: "training log (.jsonl)",
                reason: format!("line {}: {e}", place + 1),
                fix: "put a whole copy back, or remove it",
            })?;
            if line.step <= step {
                kept.push_str(text);
                measured.extend(line.valid.map(|valid| (line.step, valid)));
            }
        }
        desk.put(&path, kept.as_bytes())?;
        let file = OpenOptions::new().append(true).open(&path).map_err(|e| TrainerError::io(&path, "open", e))?;
        Ok(Self { path, file, measured })
    }

    /// What was measured after `step`.
    pub(super) fn measured(&self, step: u64) -> Option<&Measures> {
        self.measured.iter().rev().find(|(at, _)| *at == step).map(|(_, valid)| valid)
    }

    /// Adds a line.
    ///
    /// # Errors
    /// Io.
    pub(super) fn add(&mut self, line: Line) -> Result<()> {
        let failed = |e| TrainerError::io(&self.path, "write", e);
        let mut bytes = serde_json::to_vec(&line).map_err(|e| failed(e.into()))?;
        bytes.push(b'\n');
        self.file.write_all(&bytes).map_err(failed)?;
        self.measured.extend(line.valid.map(|valid| (line.step, valid)));
        Ok(())
    }

    /// Brings everything to the disk.
    ///
    /// # Errors
    /// Io.
    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| TrainerError::io(&self.path, "write", e))
    }
}
