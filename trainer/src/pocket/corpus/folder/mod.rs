//! The folder of a corpus.
//!
//! ```text
//! settings.toml          what the clips are made by; written first, never changed
//! clips/<id>/            sound.wav, 00.jpg.., times.csv
//! records/<id>.json      what the clip is, with the digests of its files; written after its folder
//! list.csv               the clips as `mien-train extract` takes them
//! hidden.csv             what nobody who learns from the clips may see: valences, voices, faces
//! corpus.toml            counts, and the digest of everything; written last, there only while the corpus is whole
//! .work/                 half-written files and the lock
//! ```
//!
//! A clip is done when its record stands and the files beside it have the digests that the record names.

mod record;
mod tables;
mod verify;
mod whole;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use mien_models::bundle::Sha256;

use super::clip::Clip;
use super::plan::Plan;
use super::settings::{self, MadeBy};
use crate::desk::{Desk, create, remove};
use crate::{Result, TrainerError, changed};

pub(super) use record::Record;
pub use tables::{HIDDEN, LIST};
pub use verify::verify;
pub use whole::{FILE as WHOLE, SplitCounts, Whole};

const CLIPS: &str = "clips";
const RECORDS: &str = "records";
const WORK: &str = ".work";

/// A folder in which a corpus is made.
pub(super) struct Folder {
    root: PathBuf,
    desk: Desk,
    made_by: MadeBy,
    digest: Sha256,
}

impl Folder {
    /// Opens `root` for a corpus: a new folder, or one in which the same corpus was begun.
    ///
    /// # Errors
    /// Pocket for a folder that holds something else or a corpus with other settings, and while another process works
    /// there; Io.
    pub(super) fn begin(root: &Path, made_by: MadeBy) -> Result<Self> {
        let foreign = first_but(root, &[WORK, settings::FILE])?;
        match (MadeBy::read(root)?, foreign) {
            (None, Some(found)) => {
                let reason = format!("it holds {found:?} and no {}; take a new folder", settings::FILE);
                return Err(TrainerError::Pocket { path: root.into(), reason });
            }
            (Some(saved), _) => refuse_change(root, &saved, &made_by)?,
            (None, None) => {}
        }
        let desk = Desk::alone(root.join(WORK), |path| TrainerError::Pocket {
            path,
            reason: "another process makes a corpus here; wait for it or take another folder".into(),
        })?;
        let text = made_by.to_toml()?;
        desk.put_first(&root.join(settings::FILE), text.as_bytes())?;
        [CLIPS, RECORDS].iter().try_for_each(|name| create(&root.join(name)))?;
        Ok(Self { root: root.into(), desk, digest: Sha256::of(text.as_bytes()), made_by })
    }

    /// The record of the clip of `plan`, if the clip is done.
    pub(super) fn done(&self, plan: &Plan) -> Option<Record> {
        let record = Record::read(&record_path(&self.root, &plan.id))?;
        let mine = record.id == plan.id && record.corpus == self.digest;
        (mine && verify::first_fault(&self.root, &record).is_ok_and(|fault| fault.is_none())).then_some(record)
    }

    /// Puts a clip into its place, and then its record.
    ///
    /// # Errors
    /// Io, as when the disk is full; nothing half-written stands in a place then.
    pub(super) fn put(&self, plan: &Plan, clip: &Clip) -> Result<Record> {
        let path = record_path(&self.root, &plan.id);
        remove(&path)?;
        self.desk.put_folder(&clip_path(&self.root, &plan.id), &clip.files)?;
        let record = Record::of(&plan.id, self.digest, clip);
        let bytes = record.to_json().map_err(|e| TrainerError::io(&path, "write", e))?;
        self.desk.put(&path, &bytes)?;
        Ok(record)
    }

    /// Takes away what says that the corpus is whole.
    ///
    /// # Errors
    /// Io.
    pub(super) fn open_up(&self) -> Result<()> {
        [WHOLE, LIST, HIDDEN].iter().try_for_each(|name| remove(&self.root.join(name)))
    }

    /// Writes the tables, and then what says that the corpus is whole.
    ///
    /// # Errors
    /// Io; Pocket where a record was changed meanwhile.
    pub(super) fn close(&self, made: &[(Plan, Record)]) -> Result<Whole> {
        for (name, bytes) in [(LIST, tables::list(made)), (HIDDEN, tables::hidden(made))] {
            let path = self.root.join(name);
            let bytes = bytes.map_err(|e| TrainerError::io(&path, "write", e))?;
            self.desk.put(&path, &bytes)?;
        }
        let whole = Whole::of(&self.root, &self.made_by)?;
        self.desk.put(&self.root.join(WHOLE), whole.to_toml()?.as_bytes())?;
        Ok(whole)
    }
}

fn clip_path(root: &Path, id: &str) -> PathBuf {
    root.join(CLIPS).join(id)
}

fn record_path(root: &Path, id: &str) -> PathBuf {
    root.join(RECORDS).join(format!("{id}.json"))
}

fn refuse_change(root: &Path, saved: &MadeBy, now: &MadeBy) -> Result<()> {
    let Some((key, saved, now)) = changed::first(saved, now) else { return Ok(()) };
    let reason = format!(
        "{key} was {saved} when the corpus was begun and is {now} now; go on as it was begun, or take a new folder"
    );
    Err(TrainerError::Pocket { path: root.join(settings::FILE), reason })
}

/// The first name in `folder` that is none of `known`; `None` for an empty or missing folder.
fn first_but(folder: &Path, known: &[&str]) -> Result<Option<OsString>> {
    Ok(names(folder)?.into_iter().find(|name| known.iter().all(|known| name != known)))
}

/// The names in `folder`, in byte order; none for a missing one.
fn names(folder: &Path) -> Result<BTreeSet<OsString>> {
    let failed = |e| TrainerError::io(folder, "list", e);
    match fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(BTreeSet::new()),
        entries => entries.map_err(failed)?.map(|entry| Ok(entry.map_err(failed)?.file_name())).collect(),
    }
}
