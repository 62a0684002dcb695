//! Tables of times: when each picture of a folder is shown.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::Path;

use csv::{ErrorKind, ReaderBuilder, StringRecord};

use crate::error::{CaptureError, Result};
use crate::time::Timestamp;

use super::MAX_DURATION_S;

/// The most bytes accepted; a line takes a few dozen.
const MAX_BYTES: u64 = 256 << 20;

/// Reads the table at `path`: a header `file,time_s`, then a line for each picture with its name, which must be one of
/// `pictures`, and its time in seconds, each later than the one before, none beyond [`MAX_DURATION_S`].
///
/// # Errors
/// A [`CaptureError`] that names the line.
pub(super) fn read(path: &Path, pictures: &BTreeSet<OsString>) -> Result<Vec<(String, Timestamp)>> {
    let (file, len) = super::open_ordinary(path)?;
    if len == 0 {
        return Err(CaptureError::Empty { path: path.to_owned() });
    }
    if len > MAX_BYTES {
        return Err(CaptureError::TooLarge { path: path.to_owned(), unit: "bytes", found: len, limit: MAX_BYTES });
    }
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(file.take(MAX_BYTES));
    let header = reader.headers().map_err(|error| unreadable(path, error))?;
    // A byte order mark is not part of the first name.
    let first = header.get(0).map(|name| name.trim_start_matches('\u{feff}'));
    if (first, header.get(1), header.len()) != (Some("file"), Some("time_s"), 2) {
        let found = header.iter().collect::<Vec<_>>().join(",");
        return Err(CaptureError::TimesHeader { path: path.to_owned(), found });
    }
    let mut table: Vec<(String, Timestamp)> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(path, error))?;
        let previous = table.last().map(|(_, time)| *time);
        table.push(read_line(path, &record, pictures, previous)?);
    }
    if table.is_empty() {
        return Err(CaptureError::TimesEmpty { path: path.to_owned() });
    }
    Ok(table)
}

fn read_line(
    path: &Path,
    record: &StringRecord,
    pictures: &BTreeSet<OsString>,
    previous: Option<Timestamp>,
) -> Result<(String, Timestamp)> {
    let line = record.position().map_or(0, csv::Position::line);
    let bad = |value: &str, expected| CaptureError::TimesValue {
        path: path.to_owned(),
        line,
        value: value.to_owned(),
        expected,
    };
    let (Some(file), Some(seconds), 2) = (record.get(0), record.get(1), record.len()) else {
        return Err(bad(&record.iter().collect::<Vec<_>>().join(","), "a picture's name, a comma and a time"));
    };
    let time = seconds
        .trim()
        .parse::<f64>()
        .ok()
        .filter(|seconds| *seconds <= f64::from(MAX_DURATION_S))
        .and_then(|seconds| Timestamp::from_secs_f64(seconds).ok())
        .ok_or_else(|| bad(seconds, "a time in seconds from 0 to 14400"))?;
    // The names come from the folder's listing, so that no line can point out of the folder.
    if !pictures.contains(OsStr::new(file)) {
        return Err(CaptureError::TimesMissingPicture { path: path.to_owned(), line, file: file.to_owned() });
    }
    if let Some(previous) = previous
        && time <= previous
    {
        return Err(CaptureError::TimesOrder {
            path: path.to_owned(),
            line,
            previous_s: previous.as_secs_f64(),
            time_s: time.as_secs_f64(),
        });
    }
    Ok((file.to_owned(), time))
}

fn unreadable(path: &Path, error: csv::Error) -> CaptureError {
    let reason = error.to_string();
    match error.into_kind() {
        ErrorKind::Io(source) => CaptureError::Io { path: path.to_owned(), action: "read it", source },
        _ => CaptureError::Malformed { path: path.to_owned(), format: "table of times", reason },
    }
}
