//! Chunks: RIFF, its 64-bit relatives, and AIFF.
//!
//! Programs write sizes before they know them, forget pad bytes, lose power. So a size is a hint: what the file really
//! holds decides.

use std::io;

use super::window::Window;

/// What a size means that no real chunk has: it was not known when it was written.
pub(super) const OPEN: u64 = 0x7fff_0000;
/// How far the next chunk is looked for behind one whose size leads nowhere.
const SEARCH_BYTES: usize = 1 << 20;
/// The most chunks of a file that are looked at; a file may hold nothing else, eight bytes each.
const MAX_CHUNKS: u32 = 4096;

/// Chunks that programs write; anything else of letters may be one too.
const KNOWN: [&[u8; 4]; 30] = [
    b"fmt ", b"data", b"LIST", b"fact", b"JUNK", b"junk", b"bext", b"iXML", b"cue ", b"smpl", b"inst", b"PEAK",
    b"PAD ", b"id3 ", b"ID3 ", b"acid", b"cart", b"chna", b"axml", b"ds64", b"plst", b"DISP", b"MD5 ", b"FLLR",
    b"_PMX", b"COMM", b"SSND", b"FVER", b"MARK", b"ANNO",
];

/// How chunks are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// 32-bit sizes, little-endian.
    Riff,
    /// 32-bit sizes, big-endian.
    Aiff,
    /// Sony Wave64: 16-byte names, 64-bit sizes that count the header, aligned to eight.
    Wave64,
}

/// One chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) id: [u8; 4],
    /// Where its content begins.
    pub(super) body: u64,
    /// The size that its header tells.
    pub(super) told: u64,
    /// What there is of it.
    pub(super) size: u64,
}

/// The chunks of a file, one after the other.
pub(super) struct Chunks {
    dialect: Dialect,
    at: u64,
    seen: u32,
    /// A size led nowhere, and the next chunk was found by its name.
    pub(super) searched: bool,
}

impl Chunks {
    pub(super) fn new(dialect: Dialect, at: u64) -> Self {
        Self { dialect, at, seen: 0, searched: false }
    }

    /// The next chunk; none at the end.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn next(&mut self, file: &mut Window) -> io::Result<Option<Chunk>> {
        self.seen += 1;
        if self.seen > MAX_CHUNKS {
            return Ok(None);
        }
        let Some(chunk) = self.read(file, self.at)? else {
            return Ok(None);
        };
        let end = chunk.body.saturating_add(chunk.told);
        if end <= file.len() {
            self.at = self.after(file, end)?;
        } else if chunk.id != *b"data" && chunk.id != *b"SSND" {
            self.searched = true;
            self.at = self.search(file, chunk.body)?.unwrap_or(file.len());
        } else {
            self.at = file.len();
        }
        Ok(Some(chunk))
    }

    /// The chunk at `at`.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn read(&self, file: &mut Window, at: u64) -> io::Result<Option<Chunk>> {
        let head = file.bytes_at(at, self.header())?;
        let Some(&[a, b, c, d]) = head.first_chunk::<4>() else {
            return Ok(None);
        };
        let id = [a, b, c, d];
        let told = match self.dialect {
            Dialect::Riff => head.get(4..8).and_then(|s| s.try_into().ok()).map(|s| u64::from(u32::from_le_bytes(s))),
            Dialect::Aiff => head.get(4..8).and_then(|s| s.try_into().ok()).map(|s| u64::from(u32::from_be_bytes(s))),
            Dialect::Wave64 => {
                head.get(16..24).and_then(|s| s.try_into().ok()).map(|s| u64::from_le_bytes(s).saturating_sub(24))
            }
        };
        let Some(told) = told else {
            return Ok(None);
        };
        let body = at + self.header() as u64;
        Ok(Some(Chunk { id, body, told, size: told.min(file.len().saturating_sub(body)) }))
    }

    fn header(&self) -> usize {
        if self.dialect == Dialect::Wave64 { 24 } else { 8 }
    }

    /// Where the chunk behind one that ends at `end` begins: behind its pad byte, if it has one.
    fn after(&self, file: &mut Window, end: u64) -> io::Result<u64> {
        if self.dialect == Dialect::Wave64 {
            return Ok(end.next_multiple_of(8));
        }
        if end.is_multiple_of(2) {
            return Ok(end);
        }
        let bytes = file.bytes_at(end, 5)?;
        let known = |id: Option<&[u8]>| KNOWN.iter().any(|name| id == Some(name.as_slice()));
        Ok(if known(bytes.get(..4)) && !known(bytes.get(1..5)) { end } else { end + 1 })
    }

    /// Where the name of a chunk that matters stands behind `from`.
    fn search(&self, file: &mut Window, from: u64) -> io::Result<Option<u64>> {
        let bytes = file.bytes_at(from, SEARCH_BYTES)?;
        let wanted: [&[u8; 4]; 2] = if self.dialect == Dialect::Aiff { [b"COMM", b"SSND"] } else { [b"fmt ", b"data"] };
        let found = bytes.windows(4).position(|id| wanted.iter().any(|name| id == name.as_slice()));
        Ok(found.map(|at| from + at as u64))
    }

    /// Whether what begins at `at` looks like a chunk within the file, or is its end.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn is_chunk(&self, file: &mut Window, at: u64) -> io::Result<bool> {
        if at >= file.len() {
            return Ok(true);
        }
        let next = self.after(file, at)?;
        let Some(chunk) = self.read(file, next)? else {
            return Ok(false);
        };
        let letters = chunk.id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'_' | b'-'));
        Ok(letters && chunk.told == chunk.size)
    }
}
