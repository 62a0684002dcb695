//! Elements of Matroska and WebM (RFC 8794).

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::window::Window;

/// An element's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) id: u32,
    /// Bytes of its content; none where it was not known when it was written.
    pub(super) size: Option<u64>,
}

/// A file of elements, read from the front.
pub(super) struct Ebml {
    reader: BufReader<Window>,
    at: u64,
    len: u64,
}

impl Ebml {
    pub(super) fn new(file: Window) -> Self {
        let len = file.len();
        Self { reader: BufReader::with_capacity(1 << 16, file), at: 0, len }
    }

    /// Bytes read so far.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Bytes to the end of the file.
    pub(super) fn left(&self) -> u64 {
        self.len.saturating_sub(self.at)
    }

    /// The head of the next element; none where the file ends before it or within it, or no head is there.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn next(&mut self) -> io::Result<Option<Element>> {
        let Some(id) = self.number(4, false)? else {
            return Ok(None);
        };
        let Some(size) = self.number(8, true)? else {
            return Ok(None);
        };
        let (id, size) = (id.0 as u32, Some(size.0).filter(|_| !size.1));
        Ok(Some(Element { id, size }))
    }

    /// A number of variable length, at most `longest` bytes, and whether all of its bits are set.
    fn number(&mut self, longest: u32, strip: bool) -> io::Result<Option<(u64, bool)>> {
        let mut byte = [0];
        if self.reader.read(&mut byte)? == 0 {
            return Ok(None);
        }
        self.at += 1;
        let [first] = byte;
        let more = first.leading_zeros();
        if more >= longest {
            return Ok(None);
        }
        let mask = 0xff_u64 >> (more + 1);
        let mut value = if strip { u64::from(first) & mask } else { u64::from(first) };
        for _ in 0..more {
            if self.reader.read(&mut byte)? == 0 {
                return Ok(None);
            }
            self.at += 1;
            value = value << 8 | u64::from(byte[0]);
        }
        let open = strip && value == (1 << (7 * (more + 1))) - 1;
        Ok(Some((value, open)))
    }

    /// The next `size` bytes; none where the file ends before them.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn bytes(&mut self, size: u64) -> io::Result<Option<Vec<u8>>> {
        if size > self.left() {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(size as usize);
        self.reader.by_ref().take(size).read_to_end(&mut bytes)?;
        self.at += bytes.len() as u64;
        Ok(Some(bytes).filter(|bytes| bytes.len() as u64 == size))
    }

    /// Passes over `size` bytes; whether they were there.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn skip(&mut self, size: u64) -> io::Result<bool> {
        if size > self.left() {
            return Ok(false);
        }
        self.at += size;
        match i64::try_from(size) {
            Ok(offset) => self.reader.seek_relative(offset)?,
            Err(_) => drop(self.reader.seek(SeekFrom::Start(self.at))?),
        }
        Ok(true)
    }
}

/// The elements in `bytes`: id and content. Ends at the first that does not fit.
pub(super) fn children(bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (id, tail) = vint(rest, false)?;
        let (size, tail) = vint(tail, true)?;
        let (content, tail) = tail.split_at_checked(usize::try_from(size).ok()?)?;
        rest = tail;
        Some((u32::try_from(id).ok()?, content))
    })
}

/// A number of variable length at the start of `bytes`, with its marker or without, and what follows.
pub(super) fn vint(bytes: &[u8], strip: bool) -> Option<(u64, &[u8])> {
    let (first, _) = bytes.split_first()?;
    let more = first.leading_zeros() as usize;
    if more > 7 {
        return None;
    }
    let (number, rest) = bytes.split_at_checked(more + 1)?;
    let value = number.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let value = if strip { value & ((1_u64 << (7 * (more + 1))) - 1) } else { value };
    Some((value, rest))
}

/// An unsigned number of up to eight bytes.
pub(super) fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// A float of four or eight bytes; zero for any other length.
pub(super) fn float(bytes: &[u8]) -> f64 {
    match (bytes.try_into().map(f32::from_be_bytes), bytes.try_into().map(f64::from_be_bytes)) {
        (Ok(single), _) => f64::from(single),
        (_, Ok(double)) => double,
        _ => 0.0,
    }
}
