//! Reading with an end: a source that counts what is asked of it.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use symphonia::core::io::MediaSource;

use crate::error::CaptureError;

/// What a parser may read of a file: so many times its length ..
const TIMES: u64 = 64;
/// .. and so many bytes more, for small files that are read box by box through a buffer.
const BYTES: u64 = 16 << 20;
/// What a call counts at least, in bytes: one that reads nothing gets no parser on.
const CALL_BYTES: u64 = 64;

/// A source that fails once more was read of it than any honest parser reads: `TIMES` its length and `BYTES`.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    source: S,
    len: u64,
    left: u64,
}

/// The error of a [`Metered`] source that is used up.
#[derive(Debug)]
struct UsedUp {
    len: u64,
}

impl fmt::Display for UsedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it goes on reading after {TIMES} times the {} bytes that there are", self.len)
    }
}

impl std::error::Error for UsedUp {}

impl<S> Metered<S> {
    /// `source`, which is `len` bytes long.
    pub(crate) fn new(source: S, len: u64) -> Self {
        Self { source, len, left: len.saturating_mul(TIMES).saturating_add(BYTES) }
    }

    fn charge(&mut self, bytes: u64) -> io::Result<()> {
        match self.left.checked_sub(bytes.max(CALL_BYTES)) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(io::Error::other(UsedUp { len: self.len })),
        }
    }
}

impl<S: Read> Read for Metered<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.charge(0)?;
        let count = self.source.read(buffer)?;
        self.charge(count as u64)?;
        Ok(count)
    }
}

impl<S: Seek> Seek for Metered<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.charge(0)?;
        self.source.seek(to)
    }
}

impl<S: Read + Seek + Send + Sync> MediaSource for Metered<S> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len)
    }
}

/// What a failed read of the file at `path` by `library` means: an endless parser, or the system's error.
pub(crate) fn read_error(path: &Path, library: &'static str, source: io::Error) -> CaptureError {
    match source.get_ref().and_then(|inner| inner.downcast_ref::<UsedUp>()) {
        Some(used_up) => CaptureError::DecoderFault { path: path.to_owned(), library, reason: used_up.to_string() },
        None => CaptureError::Io { path: path.to_owned(), action: "read it", source },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::{Cursor, Read, Seek, SeekFrom};
    use std::path::Path;

    use super::{BYTES, Metered, TIMES, read_error};
    use crate::error::CaptureError;

    #[test]
    fn a_reader_without_end_is_stopped() {
        let mut source = Metered::new(Cursor::new(vec![7; 1000]), 1000);
        let mut read = 0;
        let error = loop {
            source.seek(SeekFrom::Start(0)).unwrap();
            match source.read(&mut [0; 1000]) {
                Ok(count) => read += count as u64,
                Err(error) => break error,
            }
        };
        assert!(read > 1000 * TIMES && read < 2 * (1000 * TIMES + BYTES), "{read}");
        let error = read_error(Path::new("clip.wav"), "parser", error);
        assert!(matches!(error, CaptureError::DecoderFault { library: "parser", .. }), "{error}");
        // At the end, where nothing is read.
        let mut source = Metered::new(Cursor::new(Vec::new()), 0);
        assert!((0..BYTES).any(|_| source.read(&mut [0; 8]).is_err()));
    }
}
