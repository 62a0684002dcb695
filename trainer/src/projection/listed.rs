//! The list of spoken clips, held against everything that can be wrong before a network is read.

use std::path::{Path, PathBuf};

use crate::data::Split;
use crate::data::corpus::split_name;
use crate::data::table::{self, Cell, ClipTable, id, split, transcript};
use crate::{Result, TrainerError};

/// A list of `mien-train extract` is one, too.
const KIND: ClipTable = ClipTable {
    format: "list of spoken clips (.csv)",
    needed: &["id", "path", "split", "transcript"],
    optional: &["label", "face", "speaker"],
    fix: "expected a UTF-8 table with the columns id, path, split (train, valid or test) and transcript, and perhaps label, \
          face and speaker, which play no part",
};

/// A clip as the list names it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) path: PathBuf,
    /// Train or valid.
    pub(super) split: Split,
    /// What is said.
    pub(super) text: String,
}

/// The clips that are learned from or measured, in the list's order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listed {
    /// The list's file.
    pub(super) list: PathBuf,
    /// At least one of train and one of valid.
    pub(super) clips: Vec<Named>,
}

impl Listed {
    /// Reads the list at `path`: every clip of train and the first `measured` of valid, at least 1. Paths are taken from the
    /// list's folder.
    ///
    /// # Errors
    /// Io; Format naming the row for a list that is none and for a clip of train or valid without a transcript; Corpus for a
    /// split without clips and for files that are not there.
    pub(super) fn read(path: &Path, measured: usize) -> Result<Self> {
        let mut valid = 0;
        let is_wanted = |clip: &Named| {
            valid += usize::from(clip.split == Split::Valid);
            clip.split == Split::Train || valid <= measured
        };
        let rows = KIND.read(path, |cell| row(path, cell))?;
        let clips: Vec<Named> = rows.into_iter().flatten().filter(is_wanted).collect();
        for split in [Split::Train, Split::Valid] {
            if !clips.iter().any(|clip| clip.split == split) {
                let name = split_name(split);
                let reason = format!("it names no clip of the split {name}; give some of train and some of valid");
                return Err(TrainerError::corpus(path.display().to_string(), reason));
            }
        }
        table::require_files(path, clips.iter().map(|clip| clip.path.as_path()))?;
        Ok(Self { list: path.to_owned(), clips })
    }
}

/// A row's id and its clip; none of the test split, which plays no part.
fn row(list: &Path, cell: Cell<'_, '_>) -> std::result::Result<(String, Option<Named>), String> {
    let (id, split) = (id(cell)?, split(cell)?);
    let path = cell("path").ok_or("it has no path")?;
    let text = transcript(cell, &id)?;
    if split == Split::Test {
        return Ok((id, None));
    }
    let text =
        text.ok_or_else(|| format!("the clip {id} has no transcript, and nothing else to learn from; take it out"))?;
    let path = list.parent().unwrap_or(Path::new("")).join(path);
    Ok((id.clone(), Some(Named { id, path, split, text })))
}
