//! The folder of a stage.
//!
//! ```text
//! <folder>/
//!   log.jsonl        a line for each step and each measure
//!   checkpoints/     what a killed training goes on from
//!   ...              the stage's own files
//!   stage.toml       what they are, with their digests; written last
//!   .work/           half-written files and the lock
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mien_models::bundle::Sha256;

use super::{FINISHED, Finished, Measures, Pace};
use crate::desk::{Desk, create, remove};
use crate::{Result, TrainerError};

const WORK: &str = ".work";
const CHECKPOINTS: &str = "checkpoints";

/// A folder in which a stage is trained by this process alone.
pub(crate) struct StageFolder {
    root: PathBuf,
    /// What [`Finished::statement`] will be.
    statement: &'static str,
    pub(super) desk: Desk,
}

impl StageFolder {
    /// Opens the folder `root`; `statement` is what must be known of a network that is trained there.
    ///
    /// # Errors
    /// Run while another process trains there; Io.
    pub(crate) fn open(root: PathBuf, statement: &'static str) -> Result<Self> {
        create(&root)?;
        let desk = Desk::alone(root.join(WORK), |path| TrainerError::Run {
            path,
            reason: "another process trains here; wait for it or take another folder".into(),
        })?;
        Ok(Self { root, statement, desk })
    }

    /// The folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where checkpoints are.
    pub(super) fn checkpoints(&self) -> PathBuf {
        self.root.join(CHECKPOINTS)
    }

    /// A folder for files that are needed for a moment.
    ///
    /// # Errors
    /// Io.
    pub(crate) fn scratch(&self) -> Result<tempfile::TempDir> {
        let work = self.root.join(WORK);
        // What a killed process leaves under such a name, the next one removes.
        let folder = tempfile::Builder::new().prefix(".writing-").tempdir_in(&work);
        folder.map_err(|e| TrainerError::io(&work, "create", e))
    }

    /// What stands there, if it was trained so and its files are whole.
    ///
    /// # Errors
    /// Io; Run for a file that is none.
    pub(crate) fn finished(&self, pace: &Pace, learned_from: Sha256) -> Result<Option<Finished>> {
        let Some(finished) = Finished::read(&self.root)? else { return Ok(None) };
        let same = finished.learned_from == learned_from && finished.pace == *pace;
        Ok(if same && finished.first_changed(&self.root)?.is_none() { Some(finished) } else { None })
    }

    /// Takes away what says that the stage is finished.
    ///
    /// # Errors
    /// Io.
    pub(super) fn open_up(&self) -> Result<()> {
        remove(&self.root.join(FINISHED))
    }

    /// Says that the stage is finished: `names` are the files that it gives.
    ///
    /// # Errors
    /// Io.
    pub(crate) fn finish(
        &self,
        stage: &str,
        digests: [Sha256; 2],
        pace: Pace,
        valid: Measures,
        names: &[&str],
    ) -> Result<Finished> {
        let mut files = BTreeMap::new();
        for name in names {
            files.insert((*name).to_owned(), Sha256::of_file(&self.root.join(name))?.1);
        }
        let finished = Finished::new(stage, self.statement, digests, pace, valid, files);
        self.desk.put(&self.root.join(FINISHED), finished.to_toml()?.as_bytes())?;
        Ok(finished)
    }

    /// Writes a small file whole or not at all.
    ///
    /// # Errors
    /// Io.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.desk.put(&self.root.join(name), bytes)
    }
}
