//! Bytes on their way to a file that do not stay in memory once they are there.

use std::fs::File;
use std::io::{Result, Seek, SeekFrom, Write};

use zeroize::Zeroize;

/// Bytes that wait for the file at most.
const WAITING: usize = 1 << 16;

/// A buffered file whose buffer is zeroed as soon as the file has its bytes; what the standard library's keeps would be sound and
/// pictures that a mute promises to forget.
pub(super) struct Buffered {
    file: File,
    waiting: Vec<u8>,
}

impl Buffered {
    pub(super) fn new(file: File) -> Self {
        Self { file, waiting: Vec::with_capacity(WAITING) }
    }

    fn hand_over(&mut self) -> Result<()> {
        let written = self.file.write_all(&self.waiting);
        // Also what could not be written: the recording ends with it.
        self.waiting.zeroize();
        written
    }
}

impl Write for Buffered {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.waiting.len() + bytes.len() > WAITING {
            self.hand_over()?;
        }
        if bytes.len() > WAITING {
            self.file.write_all(bytes)?;
        } else {
            self.waiting.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.hand_over()?;
        self.file.flush()
    }
}

impl Seek for Buffered {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.hand_over()?;
        self.file.seek(to)
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        let _ = self.hand_over();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_arrive_in_order_and_the_buffer_is_zeroed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut random = fastrand::Rng::with_seed(4);
        let mut expected = Vec::new();
        let mut file = Buffered::new(File::create(&path).unwrap());
        for length in [0, 1, 70_000, WAITING, 3, WAITING - 1, 2, 40_000, 40_000, 200_000, 5] {
            let bytes: Vec<u8> = (0..length).map(|_| random.u8(1..)).collect();
            file.write_all(&bytes).unwrap();
            expected.extend(bytes);
        }
        assert!(!file.waiting.is_empty());
        file.flush().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), expected);
        assert!(file.waiting.is_empty());
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(b"over").unwrap();
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap().get(..4), Some(&b"over"[..]));
    }
}
