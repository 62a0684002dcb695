//! Holds a corpus against its digests.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use mien_models::bundle::Sha256;
use rayon::prelude::*;

use super::super::settings::{self, MadeBy};
use super::record::{FileMark, Record};
use super::whole::MEND;
use super::{CLIPS, HIDDEN, LIST, RECORDS, WHOLE, WORK, Whole, clip_path, names};
use crate::{Result, TrainerError, changed};

/// Holds every file of the corpus in `root` against its digest, and looks for files that are not the corpus'.
///
/// # Errors
/// Pocket naming the first file that was changed, is missing or is foreign, and for a corpus that is not finished; Io.
pub fn verify(root: &Path) -> Result<Whole> {
    let Some(made_by) = MadeBy::read(root)? else {
        let reason = format!("there is no {}; give the folder of a pocket corpus", settings::FILE);
        return Err(fault(root, reason));
    };
    let Some(whole) = Whole::read(root)? else {
        let reason = format!("there is no {WHOLE}: the corpus is not finished; run `mien-train pocket corpus` again");
        return Err(fault(root, reason));
    };
    for (name, sha256) in &whole.files {
        // Names come from the file: none may lead out of the folder.
        let mark = FileMark { bytes: size(&root.join(name)), sha256: *sha256 };
        let inside = Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if let Some(reason) = if inside { differs(&root.join(name), &mark)? } else { Some("is outside".into()) } {
            return Err(fault(&root.join(name), reason));
        }
    }
    let root_names = [settings::FILE, WHOLE, LIST, HIDDEN, CLIPS, RECORDS, WORK];
    foreign(root, &root_names.map(OsString::from).into())?;
    let ids: Vec<&str> = whole.files.keys().filter_map(|name| id_of(name)).collect();
    foreign(&root.join(RECORDS), &ids.iter().map(|id| OsString::from(format!("{id}.json"))).collect())?;
    let judged = |id: &&str| {
        let path = super::record_path(root, id);
        let record = Record::read(&path).ok_or_else(|| fault(&path, "no record of a clip".into()))?;
        first_fault(root, &record)?.map_or(Ok(()), Err)
    };
    // The first one in the order of names, whatever thread finds another one sooner.
    if let Some(error) = ids.par_iter().map(judged).find_map_first(Result::err) {
        return Err(error);
    }
    foreign(&root.join(CLIPS), &ids.iter().map(OsString::from).collect())?;
    let counted = Whole::of(root, &made_by)?;
    match changed::first(&whole, &counted) {
        None => Ok(whole),
        Some((key, told, found)) => {
            Err(fault(&root.join(WHOLE), format!("changed: {key} is {told}, expected {found}")))
        }
    }
}

/// The first file of a clip that is not as its record says, or that the record does not know.
///
/// # Errors
/// Io.
pub(super) fn first_fault(root: &Path, record: &Record) -> Result<Option<TrainerError>> {
    let folder = clip_path(root, &record.id);
    for (name, mark) in &record.files {
        let path = folder.join(name);
        if let Some(reason) = differs(&path, mark)? {
            return Ok(Some(fault(&path, reason)));
        }
    }
    let known: BTreeSet<OsString> = record.files.keys().map(OsString::from).collect();
    Ok(foreign(&folder, &known).err())
}

/// How a file differs from its mark.
fn differs(path: &Path, mark: &FileMark) -> Result<Option<String>> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Some("missing".into())),
        Err(e) => return Err(TrainerError::io(path, "look at", e)),
        Ok(found) if !found.is_file() => return Ok(Some("changed: expected a file".into())),
        Ok(_) => {}
    }
    let (bytes, sha256) = Sha256::of_file(path)?;
    Ok(match (bytes == mark.bytes, sha256 == mark.sha256) {
        (false, _) => Some(format!("changed: it has {bytes} bytes, expected {}", mark.bytes)),
        (true, false) => Some(format!("changed: its sha256 is {sha256}, expected {}", mark.sha256)),
        (true, true) => None,
    })
}

/// An error for the first name in `folder` that is none of `known`.
fn foreign(folder: &Path, known: &BTreeSet<OsString>) -> Result<()> {
    match names(folder)?.into_iter().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => {
            let reason = "foreign: it is no part of the corpus; take it away".to_owned();
            Err(TrainerError::Pocket { path: folder.join(name), reason })
        }
    }
}

fn fault(path: &Path, reason: String) -> TrainerError {
    TrainerError::Pocket { path: path.into(), reason: format!("{reason}; {MEND}") }
}

/// The id in a record's path.
fn id_of(name: &str) -> Option<&str> {
    name.strip_prefix(RECORDS)?.strip_prefix('/')?.strip_suffix(".json")
}

/// A file's size; the digest tells whether it is the right one.
fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}
