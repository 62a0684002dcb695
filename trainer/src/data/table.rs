//! Tables that name a clip in each row.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

use mien_capture::regular;
use mien_runtime::transcript::Transcript;

use super::Split;
use super::corpus::{SPLITS, split_name};
use crate::{Result, TrainerError};

/// Longest table that is read.
const LONGEST: u64 = 256 << 20;
/// What some programs put in front of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A row's cell by its column's name; none where it is empty.
pub(crate) type Cell<'c, 'a> = &'c dyn Fn(&str) -> Option<&'a str>;

/// A kind of table.
pub(crate) struct ClipTable {
    /// What it is called in messages.
    pub(crate) format: &'static str,
    /// Columns that every such table has.
    pub(crate) needed: &'static [&'static str],
    /// Columns that it may have.
    pub(crate) optional: &'static [&'static str],
    /// What it should be.
    pub(crate) fix: &'static str,
}

impl ClipTable {
    /// The rows of the table at `path`, in UTF-8 with commas and a header; `row` makes a clip with its id of the cells, or
    /// says what is wrong with them.
    ///
    /// # Errors
    /// Io; Format for other columns, no rows, an id that comes twice, and, naming the row, what `row` says.
    pub(crate) fn read<T>(
        &self,
        path: &Path,
        row: impl Fn(Cell<'_, '_>) -> std::result::Result<(String, T), String>,
    ) -> Result<Vec<T>> {
        let Self { format, needed, optional, fix } = *self;
        let refuse = |reason: String| TrainerError::Format { path: path.into(), format, reason, fix };
        let bytes = text(path, refuse)?;
        let mut table = csv::Reader::from_reader(bytes.as_slice());
        let header = table.headers().map_err(|e| refuse(e.to_string()))?.clone();
        let names: Vec<&str> = header.iter().map(str::trim).collect();
        if let Some(unknown) = names.iter().find(|name| !needed.contains(name) && !optional.contains(name)) {
            return Err(refuse(format!("it has a column {unknown:?}")));
        }
        if let Some(missing) = needed.iter().find(|name| !names.contains(name)) {
            return Err(refuse(format!("it has no column {missing:?}")));
        }
        let column = |name: &str| names.iter().position(|n| *n == name);
        let (mut clips, mut seen) = (Vec::new(), BTreeSet::new());
        for (number, record) in (1..).zip(table.records()) {
            let record = record.map_err(|e| refuse(e.to_string()))?;
            let cell = |name: &str| column(name).and_then(|at| record.get(at)).map(str::trim).filter(|c| !c.is_empty());
            let (id, clip) = row(&cell).map_err(|reason| refuse(format!("row {number}: {reason}")))?;
            if !seen.insert(id.clone()) {
                return Err(refuse(format!("row {number}: the id {id} comes twice; each clip has one row")));
            }
            clips.push(clip);
        }
        if clips.is_empty() {
            return Err(refuse("it names no clip".into()));
        }
        Ok(clips)
    }
}

/// The bytes of the table at `path` without a byte-order mark.
///
/// # Errors
/// Io; what `refuse` makes of the reason for what is no file of a bounded size.
pub(super) fn text(path: &Path, refuse: impl Fn(String) -> TrainerError) -> Result<Vec<u8>> {
    let mut bytes = regular::read(path, LONGEST).map_err(|e| match e.kind() {
        ErrorKind::InvalidInput | ErrorKind::FileTooLarge => refuse(e.to_string()),
        _ => TrainerError::io(path, "read", e),
    })?;
    if bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
    Ok(bytes)
}

/// Looks whether all `files` that the table at `list` names are there, before what takes long begins.
///
/// # Errors
/// Corpus with the first one that is not there, and how many are not; Io for one that cannot be looked for.
pub(crate) fn require_files<'f>(list: &Path, files: impl Iterator<Item = &'f Path>) -> Result<()> {
    let mut lost = Vec::new();
    for file in files {
        if !file.try_exists().map_err(|e| TrainerError::io(file, "look for", e))? {
            lost.push(file);
        }
    }
    let Some(first) = lost.first() else { return Ok(()) };
    let (count, first) = (lost.len(), first.display());
    let reason = format!("{count} of the files that it names are not there, the first is {first}; correct the list");
    Err(TrainerError::corpus(list.display().to_string(), reason))
}

/// The row's utterance id.
pub(crate) fn id(cell: Cell<'_, '_>) -> std::result::Result<String, String> {
    let id = cell("id").unwrap_or_default();
    super::id::check(id)?;
    Ok(id.into())
}

/// The row's split.
pub(crate) fn split(cell: Cell<'_, '_>) -> std::result::Result<Split, String> {
    let found = cell("split").unwrap_or_default();
    let split = SPLITS.into_iter().find(|split| split_name(*split) == found);
    split.ok_or_else(|| format!("expected the split train, valid or test, found {found:?}"))
}

/// What is said, one line; none where the row does not tell.
pub(crate) fn transcript(cell: Cell<'_, '_>, id: &str) -> std::result::Result<Option<String>, String> {
    let Some(said) = cell("transcript") else { return Ok(None) };
    Ok(match Transcript::whole(said, &format!("of clip {id}")).map_err(|e| e.to_string())? {
        Transcript::Whole(said) => Some(said).filter(|said| !said.is_empty()),
        Transcript::Timed(_) => None,
    })
}
