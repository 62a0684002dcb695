//! The run's log: one JSON line per step and per epoch.
//!
//! Lines hold no time and no machine, so two runs of one experiment write equal logs. A checkpoint holds the log's
//! length; a resumed run cuts off what was written after it, because it will write that again.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Result, TrainerError};

/// The file's name in a seed's folder.
pub const FILE: &str = "log.jsonl";

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
