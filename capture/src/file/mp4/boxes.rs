//! The box structure of an mp4 (ISO/IEC 14496-12 section 4.2), read by a reader of our own.
//!
//! Only two kinds of boxes are ever read into memory: the index (`moov`) and the fragments' own (`moof`). What is inside them is
//! a slice of known length, and every step through a slice takes at least the eight bytes of a box's header, so that no content can
//! keep the reader busy for ever or make it ask for more memory than the file is long.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::{CaptureError, Result};

/// A box's type.
pub(super) type Kind = [u8; 4];

/// The most boxes on the uppermost level; four hours of fragments are far fewer.
const MAX_TOP_BOXES: usize = 1 << 20;
/// Bytes read at once on the way from one box to the next.
const WINDOW_BYTES: usize = 1 << 16;

/// The file that is read, for messages and bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    pub(super) path: &'a Path,
    pub(super) len: u64,
}

impl Origin<'_> {
    pub(super) fn malformed(&self, reason: impl Into<String>) -> CaptureError {
        CaptureError::Malformed { path: self.path.to_owned(), format: "mp4", reason: reason.into() }
    }

    pub(super) fn truncated(&self, expected: u64) -> CaptureError {
        CaptureError::Truncated { path: self.path.to_owned(), expected, found: self.len, unit: "bytes" }
    }

    pub(super) fn too_large(&self, unit: &'static str, found: u64, limit: u64) -> CaptureError {
        CaptureError::TooLarge { path: self.path.to_owned(), unit, found, limit }
    }

    fn io(&self, source: std::io::Error) -> CaptureError {
        CaptureError::Io { path: self.path.to_owned(), action: "read it", source }
    }

    /// Reads the bytes from `start` to `end`, which lie within the file; `limit` are the most that are accepted.
    pub(super) fn read(&self, file: &mut File, start: u64, end: u64, limit: u64) -> Result<Vec<u8>> {
        let count = end.saturating_sub(start);
        if count > limit {
            return Err(self.too_large("bytes of its index", count, limit));
        }
        let mut bytes = Vec::new();
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        bytes.try_reserve_exact(count).map_err(|error| self.io(error.into()))?;
        bytes.resize(count, 0);
        file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(&mut bytes)).map_err(|source| self.io(source))?;
        Ok(bytes)
    }
}

/// The name of a box for messages.
pub(super) fn name(kind: Kind) -> String {
    kind.escape_ascii().to_string()
}

/// Boxes one after the other in memory: their types and contents.
///
/// After a fault there is nothing more. Fewer bytes than a header are padding that some programs leave.
#[derive(Clone, Debug)]
pub(super) struct Boxes<'a> {
    rest: &'a [u8],
}

impl<'a> Boxes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = std::result::Result<(Kind, &'a [u8]), String>;

    fn next(&mut self) -> Option<Self::Item> {
        let (size, after) = self.rest.split_first_chunk::<4>()?;
        let (kind, body) = after.split_first_chunk::<4>()?;
        let (header, size) = match u32::from_be_bytes(*size) {
            1 => (16, body.first_chunk::<8>().map_or(0, |large| u64::from_be_bytes(*large))),
            size => (8, u64::from(size)),
        };
        let whole = std::mem::take(&mut self.rest);
        if size < header {
            return Some(Err(format!("the size of box {} is too small", name(*kind))));
        }
        let parts = usize::try_from(size).ok().and_then(|size| whole.split_at_checked(size));
        let Some((this, rest)) = parts else {
            return Some(Err(format!("box {} reaches beyond the one around it", name(*kind))));
        };
        self.rest = rest;
        Some(Ok((*kind, this.get(header as usize..).unwrap_or_default())))
    }
}

/// What stands on the uppermost level.
#[derive(Debug)]
pub(super) struct Scan {
    /// The content of the index.
    pub(super) movie: Vec<u8>,
    /// Where the fragments' own indexes stand: start of the box, start of its content, end.
    pub(super) fragments: Vec<(u64, u64, u64)>,
    /// The last box reaches to here, beyond the file's end.
    pub(super) cut: Option<u64>,
}

/// Finds the index of the mp4 and those of its fragments; `limit` are the most bytes of an index that are accepted.
///
/// # Errors
/// [`CaptureError::Truncated`] if a box of a file without fragments reaches beyond its end, [`CaptureError::Malformed`],
/// [`CaptureError::TooLarge`].
pub(super) fn scan(origin: &Origin<'_>, file: &mut File, limit: u64) -> Result<Scan> {
    let mut window = Window { origin, file: &mut *file, start: 0, bytes: Vec::new() };
    let (mut movie, mut fragments, mut cut) = (None, Vec::new(), None);
    let (mut at, mut count) = (0, 0);
    while origin.len.saturating_sub(at) >= 8 {
        count += 1;
        if count > MAX_TOP_BOXES {
            return Err(origin.malformed(format!("more than {MAX_TOP_BOXES} boxes")));
        }
        let [a, b, c, d, kind @ ..] = window.read::<8>(at)?;
        let mut body = at + 8;
        let end = match u32::from_be_bytes([a, b, c, d]) {
            0 => Some(origin.len),
            1 => {
                body += 8;
                if body > origin.len { None } else { at.checked_add(u64::from_be_bytes(window.read::<8>(at + 8)?)) }
            }
            size => at.checked_add(u64::from(size)),
        };
        let end = end.unwrap_or(u64::MAX);
        if end < body || end > origin.len {
            // Phones leave data of their own behind the last box.
            let junk = !kind.iter().all(|byte| matches!(byte, b' '..=b'~' | 0xa9));
            if movie.is_some() && junk {
                break;
            }
            if end < body {
                return Err(origin.malformed(format!("the size of box {} is too small", name(kind))));
            }
            if movie.is_some() && !fragments.is_empty() {
                cut = Some(end);
                break;
            }
            return Err(origin.truncated(end));
        }
        match &kind {
            b"moov" if movie.is_none() => movie = Some((body, end)),
            b"moof" => fragments.push((at, body, end)),
            _ => (),
        }
        at = end;
    }
    let Some((body, end)) = movie else {
        return Err(origin.malformed("its index (box moov) is missing: the recording was not ended, or the file is cut"));
    };
    let movie = origin.read(file, body, end, limit)?;
    Ok(Scan { movie, fragments, cut })
}

/// A stretch of the file in memory: many small boxes cost few reads.
struct Window<'a, 'b> {
    origin: &'a Origin<'b>,
    file: &'a mut File,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_, '_> {
    fn read<const N: usize>(&mut self, at: u64) -> Result<[u8; N]> {
        if let Some(found) = self.within(at) {
            return Ok(found);
        }
        self.bytes.clear();
        self.start = at;
        // A box of pictures is longer than a window: a short look tells where the next one is.
        let count = self.origin.len.saturating_sub(at).min(WINDOW_BYTES as u64);
        self.file
            .seek(SeekFrom::Start(at))
            .and_then(|_| self.file.by_ref().take(count).read_to_end(&mut self.bytes))
            .map_err(|source| self.origin.io(source))?;
        self.within(at).ok_or_else(|| self.origin.truncated(at.saturating_add(N as u64)))
    }

    fn within<const N: usize>(&self, at: u64) -> Option<[u8; N]> {
        let offset = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.bytes.get(offset..)?.first_chunk::<N>().copied()
    }
}

/// The unsigned number of two bytes at `at`.
pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_be_bytes(*chunk))
}

/// The unsigned number of four bytes at `at`.
pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_be_bytes(*chunk))
}

/// The unsigned number of eight bytes at `at`.
pub(super) fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_be_bytes(*chunk))
}

/// The signed number of four bytes at `at`.
pub(super) fn be32_signed(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().map(|chunk| i32::from_be_bytes(*chunk))
}

/// The entries of the table in the full box `body` (version, flags, count, entries of `width` bytes each), as bytes.
///
/// # Errors
/// If the table has no room for the entries that it tells of.
pub(super) fn entries<'a>(body: &'a [u8], width: usize, kind: &str) -> std::result::Result<&'a [u8], String> {
    let count = be32(body, 4).ok_or_else(|| format!("its table {kind} is too short"))?;
    let room = body.get(8..).unwrap_or_default();
    usize::try_from(count)
        .ok()
        .and_then(|count| room.get(..count.checked_mul(width)?))
        .ok_or_else(|| format!("its table {kind} tells of {count} entries and has room for {}", room.len() / width.max(1)))
}

#[cfg(test)]
mod tests {
    use super::{Boxes, entries};

    #[test]
    fn a_box_of_no_size_ends_the_walk() {
        for size in 0..8_u32 {
            let mut bytes = size.to_be_bytes().to_vec();
            bytes.extend(b"esds");
            bytes.extend([0; 64]);
            let found: Vec<_> = Boxes::new(&bytes).collect();
            assert_eq!(found.len(), 1, "size {size}");
            assert!(found[0].is_err(), "size {size}");
        }
    }

    #[test]
    fn boxes_follow_each_other_and_padding_is_passed_over() {
        let mut bytes = vec![0, 0, 0, 9, b'a', b'b', b'c', b'd', 7];
        bytes.extend([0, 0, 0, 1, b'e', b'f', b'g', b'h', 0, 0, 0, 0, 0, 0, 0, 18, 1, 2]);
        bytes.extend([0, 0, 0, 0]);
        let found: Vec<_> = Boxes::new(&bytes).map(Result::unwrap).collect();
        assert_eq!(found, [(*b"abcd", &[7][..]), (*b"efgh", &[1, 2][..])]);
        bytes.truncate(20);
        assert!(Boxes::new(&bytes).nth(1).unwrap().is_err());
    }

    #[test]
    fn a_table_must_have_room_for_what_it_tells() {
        let table = |count: u32| [&[0; 4][..], &count.to_be_bytes(), &[1, 2, 3, 4]].concat();
        assert_eq!(entries(&table(2), 2, "stts"), Ok(&[1, 2, 3, 4][..]));
        assert!(entries(&table(3), 2, "stts").is_err());
        assert!(entries(&table(u32::MAX), 8, "stts").is_err());
        assert!(entries(&[0; 7], 8, "stts").is_err());
    }
}
