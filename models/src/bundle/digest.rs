//! SHA-256 of files, read as streams.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest;

use super::entry::FileEntry;
use crate::{ModelError, Result};

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// A SHA-256 digest; written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The digest of bytes in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The digest of what `state` was given.
    pub(crate) fn from_state(state: sha2::Sha256) -> Self {
        Self(state.finalize().into())
    }

    /// Size and digest of a file; a megabyte of it is in memory at a time.
    ///
    /// # Errors
    /// [`ModelError::Io`].
    pub fn of_file(path: &Path) -> Result<(u64, Self)> {
        let read = |e| ModelError::io(path, "read", e);
        let (mut file, _) = mien_capture::regular::open(path, u64::MAX).map_err(read)?;
        let mut state = sha2::Sha256::new();
        let mut chunk = vec![0; CHUNK];
        let mut size = 0;
        loop {
            match file.read(&mut chunk) {
                Ok(0) => return Ok((size, Self(state.finalize().into()))),
                Ok(n) => {
                    state.update(chunk.get(..n).unwrap_or_default());
                    size += n as u64;
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(read(e)),
            }
        }
    }
}

/// A reader that hashes what is read through it.
pub(super) struct Hashed<R> {
    from: R,
    state: sha2::Sha256,
    bytes: u64,
}

/// Size and digest of what was read.
pub(super) struct Measured {
    bytes: u64,
    sha256: Sha256,
}

impl<R: Read> Hashed<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, state: sha2::Sha256::new(), bytes: 0 }
    }

    /// What was read until now.
    pub(super) fn finish(self) -> Measured {
        Measured { bytes: self.bytes, sha256: Sha256(self.state.finalize().into()) }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.from.read(out)?;
        self.state.update(out.get(..n).unwrap_or_default());
        self.bytes += n as u64;
        Ok(n)
    }
}

impl Measured {
    /// Whether this is what a manifest says of the file at `path`.
    ///
    /// # Errors
    /// [`ModelError::Digest`].
    pub(super) fn check(&self, path: &Path, entry: &FileEntry) -> Result<()> {
        let differs = |what, expected: String, found: String| {
            Err(ModelError::Digest { path: path.into(), what, expected, found })
        };
        if self.bytes != entry.bytes {
            return differs("size in bytes", entry.bytes.to_string(), self.bytes.to_string());
        }
        if self.sha256 != entry.sha256 {
            return differs("sha256", entry.sha256.to_string(), self.sha256.to_string());
        }
        Ok(())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256 {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let digit = |c: u8| match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        let mut good = text.len() == 2 * bytes.len();
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
            match (digit(pair[0]), digit(pair[1])) {
                (Some(high), Some(low)) => *byte = high << 4 | low,
                _ => good = false,
            }
        }
        if good { Ok(Self(bytes)) } else { Err(format!("sha256: expected 64 digits 0-9a-f, found {text:?}")) }
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Sha256 {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_digest_reads_back_from_its_digits() {
        assert_eq!(Sha256::of(b"abc").to_string(), ABC);
        assert_eq!(ABC.parse::<Sha256>().unwrap(), Sha256::of(b"abc"));
        for bad in ["", &ABC[1..], &ABC.to_uppercase(), &format!("{ABC}0"), &ABC.replacen('b', "g", 1)] {
            assert!(bad.parse::<Sha256>().unwrap_err().contains("expected 64 digits"), "{bad}");
        }
    }

    #[test]
    fn a_file_is_read_in_chunks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
            let bytes: Vec<u8> = (0..size).map(|i| (i * 31 % 251) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(Sha256::of_file(&path).unwrap(), (size as u64, Sha256::of(&bytes)));
        }
    }
}
