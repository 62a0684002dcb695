//! Edits in the bytes of a written GGUF file.

/// The bytes of a file under edit.
pub(crate) struct Edit(pub(crate) Vec<u8>);

impl Edit {
    /// Position of the first byte behind the metadata key `key`: its value type.
    fn behind(&self, key: &str) -> usize {
        let mut needle = (key.len() as u64).to_le_bytes().to_vec();
        needle.extend(key.as_bytes());
        self.find(&needle) + needle.len()
    }

    fn find(&self, needle: &[u8]) -> usize {
        self.0.windows(needle.len()).position(|w| w == needle).expect("not in the file")
    }

    /// Overwrites the four-byte value of `key`.
    pub(crate) fn value(mut self, key: &str, value: [u8; 4]) -> Self {
        let at = self.behind(key) + 4;
        self.0[at..at + 4].copy_from_slice(&value);
        self
    }

    /// Overwrites the value type of `key`.
    pub(crate) fn kind(mut self, key: &str, kind: u32) -> Self {
        let at = self.behind(key);
        self.0[at..at + 4].copy_from_slice(&kind.to_le_bytes());
        self
    }

    /// Overwrites the first `old` behind `key` by as many bytes.
    pub(crate) fn text(mut self, key: &str, old: &[u8], new: &[u8]) -> Self {
        assert_eq!(old.len(), new.len());
        let start = self.behind(key);
        let at = start + self.0[start..].windows(old.len()).position(|w| w == old).expect("not behind the key");
        self.0[at..at + new.len()].copy_from_slice(new);
        self
    }

    /// Overwrites the first `old` of the file by as many bytes.
    pub(crate) fn bytes(mut self, old: &[u8], new: &[u8]) -> Self {
        assert_eq!(old.len(), new.len());
        let at = self.find(old);
        self.0[at..at + new.len()].copy_from_slice(new);
        self
    }
}
