//! A part of a file as a source of its own.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::io::MediaSource;

/// The bytes of a file from `start` on, `len` of them, which count as the whole.
#[derive(Debug)]
pub(crate) struct Window {
    file: File,
    start: u64,
    len: u64,
    /// Within the window.
    position: u64,
}

impl Window {
    pub(crate) fn new(file: File, start: u64, len: u64) -> Self {
        Self { file, start, len, position: 0 }
    }

    /// Another window on the same file, within this one; no further than this one reaches.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn part(&self, start: u64, len: u64) -> io::Result<Self> {
        let start = start.min(self.len);
        Ok(Self::new(self.file.try_clone()?, self.start + start, len.min(self.len - start)))
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Reads up to `limit` bytes at `at`, fewer at the end.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn bytes_at(&mut self, at: u64, limit: usize) -> io::Result<Vec<u8>> {
        self.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::new();
        self.by_ref().take(limit as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.len.saturating_sub(self.position);
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let Some(buffer) = buffer.get_mut(..wanted).filter(|buffer| !buffer.is_empty()) else {
            return Ok(0);
        };
        // Windows on one file share its position.
        self.file.seek(SeekFrom::Start(self.start + self.position))?;
        let count = self.file.read(buffer)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.len.checked_add_signed(offset),
        };
        let outside = || io::Error::new(io::ErrorKind::InvalidInput, "seek to before the start");
        self.position = target.ok_or_else(outside)?;
        Ok(self.position)
    }
}

impl MediaSource for Window {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len)
    }
}
