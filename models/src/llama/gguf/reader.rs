//! Bounded little-endian reads: no length in a file is believed before it is held against the bytes that are left.

use std::io::{BufReader, Read};

use crate::{HeldFile, HeldReader, ModelError, Result};

/// Largest header that is read. Vicuna's takes 0.7 MB, vocabularies of 256,000 tokens with merges about 16 MB.
const MAX_HEADER_BYTES: u64 = 128 << 20;

/// A file read from front to back within its length.
pub(super) struct Reader {
    file: BufReader<HeldReader>,
    held: HeldFile,
    position: u64,
}

impl Reader {
    pub(super) fn new(file: &HeldFile) -> Self {
        Self { file: BufReader::new(file.reader()), held: file.clone(), position: 0 }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn file_len(&self) -> u64 {
        self.held.len()
    }

    pub(super) fn malformed(&self, reason: impl Into<String>) -> ModelError {
        ModelError::Format {
            path: self.held.path().to_owned(),
            format: "GGUF",
            reason: reason.into(),
            fix: "copy or download the file again",
        }
    }

    /// Fails unless `bytes` more can be read.
    pub(super) fn claim(&self, bytes: Option<u64>, what: &str) -> Result<u64> {
        let left = self.held.len().min(MAX_HEADER_BYTES).saturating_sub(self.position);
        match bytes {
            Some(n) if n <= left => Ok(n),
            _ => {
                let asked = bytes.map_or_else(|| "more than 2^64".into(), |n| n.to_string());
                let reason = if self.held.len() > MAX_HEADER_BYTES {
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
        self.file.read_exact(&mut bytes).map_err(|e| self.held.fault("read", e))?;
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
        let got = self.file.by_ref().take(n).read_to_end(&mut buffer).map_err(|e| self.held.fault("read", e))?;
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
            .map_err(|e| self.held.fault("read", e))?;
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
