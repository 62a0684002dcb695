//! Bounded little-endian reads: no length in a file is believed before it is held against the bytes that are left.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use mien_capture::regular;

use crate::{ModelError, Result};

/// Largest header that is read. Vicuna's takes 0.7 MB, vocabularies of 256,000 tokens with merges about 16 MB.
const MAX_HEADER_BYTES: u64 = 128 << 20;
/// Largest file; the largest llamas take some hundred gigabytes in floats.
pub(super) const MAX_FILE_BYTES: u64 = 4 << 40;

/// A file read from front to back within its length.
pub(super) struct Reader {
    file: BufReader<File>,
    path: PathBuf,
    position: u64,
    len: u64,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (file, len) = regular::open(path, MAX_FILE_BYTES).map_err(|e| match e.kind() {
            ErrorKind::InvalidInput | ErrorKind::FileTooLarge => ModelError::Format {
                path: path.into(),
                format: "GGUF",
                reason: e.to_string(),
                fix: "give the path of a .gguf file",
            },
            _ => ModelError::io(path, "read", e),
        })?;
        Ok(Self { file: BufReader::new(file), path: path.into(), position: 0, len })
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn file_len(&self) -> u64 {
        self.len
    }

    pub(super) fn malformed(&self, reason: impl Into<String>) -> ModelError {
        ModelError::Format {
            path: self.path.clone(),
            format: "GGUF",
            reason: reason.into(),
            fix: "copy or download the file again",
        }
    }

    /// Fails unless `bytes` more can be read.
    pub(super) fn claim(&self, bytes: Option<u64>, what: &str) -> Result<u64> {
        let left = self.len.min(MAX_HEADER_BYTES).saturating_sub(self.position);
        match bytes {
            Some(n) if n <= left => Ok(n),
            _ => {
                let asked = bytes.map_or_else(|| "more than 2^64".into(), |n| n.to_string());
                let reason = if self.len > MAX_HEADER_BYTES {
                    format!(
                        "{what} at byte {} needs {asked} bytes, {left} are left of the header's limit",
                        self.position
                    )
                } else {
                    format!(
                        "{what} at byte {} needs {asked} bytes, {left} are left: the file is cut short",
                        self.position
                    )
                };
                Err(self.malformed(reason))
            }
        }
    }

    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        self.claim(Some(N as u64), what)?;
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(|e| ModelError::io(&self.path, "read", e))?;
        self.position += N as u64;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// `bytes` bytes, already claimed by the caller or claimed here.
    pub(super) fn bytes(&mut self, bytes: Option<u64>, what: &str) -> Result<Vec<u8>> {
        let n = self.claim(bytes, what)?;
        let mut buffer = Vec::new();
        let got =
            self.file.by_ref().take(n).read_to_end(&mut buffer).map_err(|e| ModelError::io(&self.path, "read", e))?;
        self.position += got as u64;
        if got as u64 != n {
            return Err(
                self.malformed(format!("{what} needs {n} bytes, {got} came: the file changed while it was read"))
            );
        }
        Ok(buffer)
    }

    /// Passes over `bytes` bytes.
    pub(super) fn skip(&mut self, bytes: Option<u64>, what: &str) -> Result<()> {
        let n = self.claim(bytes, what)?;
        let passed = std::io::copy(&mut self.file.by_ref().take(n), &mut std::io::sink())
            .map_err(|e| ModelError::io(&self.path, "read", e))?;
        self.position += passed;
        if passed == n { Ok(()) } else { Err(self.malformed(format!("{what}: the file changed while it was read"))) }
    }

    /// A length-prefixed UTF-8 string of at most `limit` bytes.
    pub(super) fn string(&mut self, limit: u64, what: &str) -> Result<String> {
        let n = self.u64(what)?;
        if n > limit {
            return Err(self.malformed(format!("{what} is {n} bytes long, at most {limit} are expected")));
        }
        let bytes = self.bytes(Some(n), what)?;
        String::from_utf8(bytes)
            .map_err(|_| self.malformed(format!("{what} before byte {} is not UTF-8", self.position)))
    }

    /// A name: printable ASCII, not empty. llama.cpp compares names as C strings, where a NUL would hide the rest.
    pub(super) fn name(&mut self, limit: u64, what: &str) -> Result<String> {
        let name = self.string(limit, what)?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(self.malformed(format!("{what} {name:?} is empty or not printable ASCII")));
        }
        Ok(name)
    }
}
