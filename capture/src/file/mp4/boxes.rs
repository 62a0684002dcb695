//! The box structure of an mp4, checked before a parser trusts it.
//!
//! Parsers reserve memory for what headers ask for and give up on metadata that they do not know. This walk makes
//! sure that every box lies within its parent and the file, that tables stay within bounds, and notes the boxes that
//! they must not see.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use symphonia::core::io::MediaSource;

use crate::error::{CaptureError, Result};

/// Boxes that hold boxes, on the way to the sample tables.
const CONTAINERS: [&[u8; 4]; 10] =
    [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"mvex", b"moof", b"traf", b"dinf"];
/// Boxes of titles, cover pictures and events: of no use here, and in many dialects.
const HIDDEN: [&[u8; 4]; 3] = [b"udta", b"meta", b"emsg"];
/// The most samples in all tables together; four hours of 60 pictures a second with AAC are less than half.
const MAX_TABLE_SAMPLES: u64 = 1 << 22;
/// Deeper than any box that is read (moov, trak, mdia, minf, stbl, table).
const MAX_DEPTH: u32 = 8;

/// Checks the structure of the mp4 at `path`, `len` bytes long. Returns where the types of the boxes stand that are of
/// no use, ascending, for [`View`].
///
/// # Errors
/// [`CaptureError::Truncated`] if a box reaches beyond the file, [`CaptureError::Malformed`] if one reaches beyond its
/// parent, [`CaptureError::TooLarge`] if the tables tell of more samples than are read here.
pub(crate) fn check(path: &Path, file: File, len: u64) -> Result<Vec<u64>> {
    let mut walk = Walk { path, file, len, table_samples: 0, hidden: Vec::new() };
    walk.children(0, len, 0)?;
    Ok(walk.hidden)
}

struct Walk<'a> {
    path: &'a Path,
    file: File,
    len: u64,
    table_samples: u64,
    hidden: Vec<u64>,
}

impl Walk<'_> {
    /// Walks over the boxes from `start` to `end`.
    fn children(&mut self, start: u64, end: u64, depth: u32) -> Result<()> {
        let mut at = start;
        // Fewer bytes than a header are padding that some programs leave.
        while end - at >= 8 {
            let [a, b, c, d, kind @ ..] = self.read::<8>(at)?;
            let mut body = at + 8;
            let box_end = match u32::from_be_bytes([a, b, c, d]) {
                0 if depth == 0 => Some(end),
                1 => {
                    if end - at < 16 {
                        return Err(self.cut_or_broken(at.saturating_add(16), end, kind));
                    }
                    body += 8;
                    at.checked_add(u64::from_be_bytes(self.read::<8>(at + 8)?))
                }
                size => at.checked_add(u64::from(size)),
            };
            let box_end = box_end.unwrap_or(u64::MAX);
            if box_end < body {
                return Err(self.malformed(format!("the size of box {} is too small", name(kind))));
            }
            if box_end > end {
                return Err(self.cut_or_broken(box_end, end, kind));
            }
            if HIDDEN.contains(&&kind) {
                self.hidden.push(at + 4);
            } else if CONTAINERS.contains(&&kind) {
                if depth >= MAX_DEPTH {
                    return Err(self.malformed("boxes nested too deeply".to_owned()));
                }
                self.children(body, box_end, depth + 1)?;
            } else if &kind == b"stsz" && box_end - body >= 12 {
                let [.., a, b, c, d] = self.read::<12>(body)?;
                self.count(u32::from_be_bytes([a, b, c, d]))?;
            } else if &kind == b"trun" && box_end - body >= 8 {
                let [_, _, _, _, a, b, c, d] = self.read::<8>(body)?;
                self.count(u32::from_be_bytes([a, b, c, d]))?;
            }
            at = box_end;
        }
        Ok(())
    }

    fn count(&mut self, samples: u32) -> Result<()> {
        self.table_samples += u64::from(samples);
        if self.table_samples > MAX_TABLE_SAMPLES {
            return Err(CaptureError::TooLarge {
                path: self.path.to_owned(),
                unit: "samples in its tables",
                found: self.table_samples,
                limit: MAX_TABLE_SAMPLES,
            });
        }
        Ok(())
    }

    fn read<const N: usize>(&mut self, at: u64) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file
            .seek(SeekFrom::Start(at))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|source| self.io(source))?;
        Ok(bytes)
    }

    fn io(&self, source: io::Error) -> CaptureError {
        CaptureError::Io { path: self.path.to_owned(), action: "read it", source }
    }

    fn malformed(&self, reason: String) -> CaptureError {
        CaptureError::Malformed { path: self.path.to_owned(), format: "mp4", reason }
    }

    /// A box that reaches to `box_end`, beyond `end`: a file cut short where that is the file's end.
    fn cut_or_broken(&self, box_end: u64, end: u64, kind: [u8; 4]) -> CaptureError {
        if end == self.len {
            CaptureError::Truncated { path: self.path.to_owned(), expected: box_end, found: self.len, unit: "bytes" }
        } else {
            self.malformed(format!("box {} reaches beyond the one around it", name(kind)))
        }
    }
}

fn name(kind: [u8; 4]) -> String {
    kind.escape_ascii().to_string()
}

/// An mp4 in which boxes that are of no use are of type `free`: parsers pass them over.
pub(crate) struct View {
    file: File,
    hidden: Vec<u64>,
    position: u64,
    len: u64,
}

impl View {
    /// A view of the mp4 at `path`, `len` bytes long, that hides the boxes whose types stand at `hidden`.
    pub(crate) fn open(path: &Path, hidden: &[u64], len: u64) -> Result<Self> {
        let io = |source| CaptureError::Io { path: path.to_owned(), action: "open it", source };
        Ok(Self { file: File::open(path).map_err(io)?, hidden: hidden.to_vec(), position: 0, len })
    }
}

impl MediaSource for View {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len)
    }
}

impl Read for View {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        let end = self.position + count as u64;
        let first = self.hidden.partition_point(|at| at + 4 <= self.position);
        for at in self.hidden.iter().skip(first).take_while(|at| **at < end) {
            for (place, byte) in (*at..).zip(b"free") {
                if let Some(target) = place
                    .checked_sub(self.position)
                    .and_then(|offset| buffer.get_mut(..count)?.get_mut(offset as usize))
                {
                    *target = *byte;
                }
            }
        }
        self.position = end;
        Ok(count)
    }
}

impl Seek for View {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = self.file.seek(to)?;
        Ok(self.position)
    }
}
