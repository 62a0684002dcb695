//! Whether an ogg file is whole.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::{CaptureError, Result};

/// A page header without its segment table, and the longest page there is (RFC 3533 section 6).
const HEADER_BYTES: usize = 27;
const MAX_PAGE_BYTES: u64 = 27 + 255 + 255 * 255;
const END_OF_STREAM: u8 = 0x04;

/// Checks that the last page of the ogg at `path`, `len` bytes long, is whole and ends its stream.
///
/// The demultiplexer takes the last page that it finds for the end, so that a file cut short would come out as a
/// shorter clip. `file` is left at its start.
///
/// # Errors
/// [`CaptureError::Truncated`], [`CaptureError::Malformed`] if there is no page.
pub(crate) fn check_end(path: &Path, file: &mut File, len: u64) -> Result<()> {
    let io = |source| CaptureError::Io { path: path.to_owned(), action: "read it", source };
    // The last page starts within its own greatest length from the end; so does a page that was cut.
    let from = len.saturating_sub(MAX_PAGE_BYTES);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(from)).map_err(io)?;
    file.by_ref().take(MAX_PAGE_BYTES).read_to_end(&mut tail).map_err(io)?;
    file.rewind().map_err(io)?;

    let malformed =
        |reason: &str| CaptureError::Malformed { path: path.to_owned(), format: "ogg", reason: reason.to_owned() };
    let start = tail.windows(5).rposition(|bytes| bytes == b"OggS\0").ok_or_else(|| malformed("no last page"))?;
    let page = tail.get(start..).unwrap_or_default();
    let found = page.len() as u64;
    let truncated = |expected: u64| CaptureError::Truncated {
        path: path.to_owned(),
        expected: from + start as u64 + expected,
        found: from + start as u64 + found,
        unit: "bytes",
    };
    let Some((header, rest)) = page.split_at_checked(HEADER_BYTES) else {
        return Err(truncated(HEADER_BYTES as u64));
    };
    let segments = header.last().copied().map_or(0, usize::from);
    let Some(table) = rest.get(..segments) else {
        return Err(truncated((HEADER_BYTES + segments) as u64));
    };
    let expected = (HEADER_BYTES + segments) as u64 + table.iter().map(|size| u64::from(*size)).sum::<u64>();
    if found < expected {
        return Err(truncated(expected));
    }
    if header.get(5).is_none_or(|flags| flags & END_OF_STREAM == 0) {
        return Err(malformed("its last page does not end the stream: the file is cut short"));
    }
    Ok(())
}
