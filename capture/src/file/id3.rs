//! Tags before bare sound frames.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use symphonia::core::io::MediaSource;

use crate::error::{CaptureError, Result};

use super::format::SoundFormat;

/// An ID3v2 header, and the footer that may repeat it at the end of the tag.
const HEADER_BYTES: u64 = 10;
const FOOTER_FLAG: u8 = 0x10;
/// The most tags that are passed over. Programs leave one or two; a file may hold nothing else, ten bytes each.
const MAX_TAGS: u32 = 16;

/// A file from some byte on, which counts as its start.
pub(crate) struct Tail {
    file: File,
    start: u64,
    len: u64,
}

/// Leaves out the ID3v2 tags that the file of `len` bytes at `path` may begin with.
///
/// # Errors
/// [`CaptureError::Truncated`] if a tag is longer than the file, [`CaptureError::Malformed`] if there are more than
/// [`MAX_TAGS`].
pub(crate) fn skip(path: &Path, mut file: File, len: u64) -> Result<Tail> {
    let io = |source| CaptureError::Io { path: path.to_owned(), action: "read it", source };
    let (mut start, mut tags) = (0, 0);
    // Some programs put a new tag before an old one instead of replacing it.
    while let Some(tag) = tag_len(&mut file, start).map_err(io)? {
        tags += 1;
        if tags > MAX_TAGS {
            return Err(CaptureError::Malformed {
                path: path.to_owned(),
                format: SoundFormat::Frames.name(),
                reason: format!("more than {MAX_TAGS} ID3 tags stand before its sound"),
            });
        }
        start += tag;
        if start >= len {
            return Err(CaptureError::Truncated { path: path.to_owned(), expected: start, found: len, unit: "bytes" });
        }
    }
    file.seek(SeekFrom::Start(start)).map_err(io)?;
    Ok(Tail { file, start, len: len - start })
}

/// Length of the tag at `start`, none where there is no tag.
fn tag_len(file: &mut File, start: u64) -> io::Result<Option<u64>> {
    file.seek(SeekFrom::Start(start))?;
    let mut head = Vec::with_capacity(HEADER_BYTES as usize);
    file.by_ref().take(HEADER_BYTES).read_to_end(&mut head)?;
    let &[b'I', b'D', b'3', _, _, flags, a, b, c, d] = head.as_slice() else {
        return Ok(None);
    };
    // Four times seven bits.
    let body = [a, b, c, d].iter().fold(0, |size, byte| size << 7 | u64::from(byte & 0x7f));
    let footer = if flags & FOOTER_FLAG == 0 { 0 } else { HEADER_BYTES };
    Ok(Some(HEADER_BYTES + body + footer))
}

impl Read for Tail {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Seek for Tail {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(position) => SeekFrom::Start(self.start.saturating_add(position)),
            other => other,
        };
        let position = self.file.seek(to)?;
        position
            .checked_sub(self.start)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "seek to before the first frame"))
    }
}

impl MediaSource for Tail {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len)
    }
}
